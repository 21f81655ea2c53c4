// What the two passes of `Recursion` tell dsp/scan.hpp, which divides their rows along time on CUDA.
#pragma once

#include "dsp/stage.hpp"

namespace dsp {
namespace {

/// `Body` is a pass of Recursion<Op>, its ports and its attributes.
template <class Body, class Op, bool kBackwards>
struct StageScan {
  static constexpr int C = Op::kCoefs;
  static constexpr bool kReplays = kBackwards && requires { Op::kReplays; };
  static constexpr bool kSettles = !kBackwards && requires { Op::kSettles; };
  static constexpr bool kScans = (Op::kLinear || kReplays || kSettles) && !Op::kWide, kBack = kBackwards, kPrecise = false;
  static constexpr int kMostStages = kMaxStages, kSums = kBackwards ? C : 0;
  using Scanned = Op;
  template <class T>
  using Coefs = StageCoefs<Op, T>;

  DSP_HD const Body& body() const { return static_cast<const Body&>(*this); }
  DSP_HD const Port& signal() const {
    if constexpr (kBack)
      return body().gy;
    else
      return body().x;
  }
  DSP_HD bool framed() const { return body().attrs.value[0] != 0; }
  DSP_HD bool divisible() const { return !(kReplays || kSettles) || stages() == 1; }
  DSP_HD int states() const { return Op::kState; }
  DSP_HD int stages() const { return int(body().params.size(2)); }
  DSP_HD bool moves() const { return framed() || body().params.size(4) != 1; }
  DSP_HD bool wanted() const {
    if constexpr (kBack)
      return body().gparams.given() || body().gparams.tangent.data;
    else
      return false;
  }
  DSP_HD int sums() const { return !moves() && wanted() ? C : 0; }
  DSP_HD int owed() const { return framed() && wanted() ? 2 * C : 0; }
  DSP_HD std::int64_t frames() const { return body().params.size(4); }
  template <class T>
  DSP_HD T kept_state(const Rows& rows, std::int64_t t0, int i) const { return load<T>(body().kept, rows, t0 / kChunk, 0, i); }

#ifdef __CUDACC__
  /// The parts' samples owe to their frame and to the one after it.
  template <class Wide>
  DSP_HD void finish_frame(const Rows& rows, int k, std::int64_t frame, const Scan& scan) const {
    const Frames grid = frames_of(body().attrs, body().params);
    Wide total[C];
    for (int j = 0; j < C; ++j) total[j] = Wide(0);
    bool any = false;
    for (int back = 1; back >= 0; --back) {
      const std::int64_t i = frame - back, begin = i < 0 ? 0 : grid.begin(i, 0), end = i < 0 ? 0 : grid.end(i, scan.length);
      for (std::int64_t part = begin / scan.span; begin < end && part * scan.span < end; ++part) {
        const Wide* owed = owed_at<Wide>(scan, rows.first, k, part + i) + back * C;
        for (int j = 0; j < C; ++j) total[j] += owed[j];
        any = true;
      }
    }
    if (any)
      stage_gradient<Op>(body().params, body().gparams, rows, k, frame, total);
    else
      for (int i = 0; i < Op::kParams; ++i) store(body().gparams, rows, Wide(0), k, i, frame);
  }
#endif
};

}  // namespace
}  // namespace dsp
