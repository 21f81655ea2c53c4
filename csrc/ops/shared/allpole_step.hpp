// One sample of an all-pole filter of low order as dsp/scan.hpp runs it: the state is the last outputs, the newest
// first, and coefficients past the order are 0. The scan runs it in float64 whatever the audio is: outputs near a
// low corner are almost alike, and what parts would lose there in float32 they would keep.
#pragma once

#include "dsp/op.hpp"

namespace dsp {
namespace {

struct AllpoleStep {
  static constexpr int kState = 4, kCoefs = kState;

  template <class T>
  static DSP_HD T step(const T* c, T* s, T x) {
    for (int i = kState - 1; i >= 0; --i) x -= c[i] * s[i];
    for (int i = kState - 1; i > 0; --i) s[i] = s[i - 1];
    s[0] = x;
    return x;
  }
  template <class T>
  static DSP_HD T adjoint(const T* c, const T*, T, T gy, T* gs, T*) {
    const T g = gy + gs[0];
    for (int i = 0; i < kState; ++i) gs[i] = (i + 1 < kState ? gs[i + 1] : T(0)) - c[i] * g;
    return g;
  }
};

/// What Forward and Backward of an all-pole filter, the body, tell dsp/scan.hpp.
template <class Body, bool kBackwards>
struct AllpoleScan {
  static constexpr bool kScans = true, kBack = kBackwards, kPrecise = true;
  static constexpr int kMostStages = 1, kSums = kBackwards ? AllpoleStep::kState : 0;
  using Scanned = AllpoleStep;

  DSP_HD const Body& body() const { return static_cast<const Body&>(*this); }
  DSP_HD int order() const { return int(body().a.size(2)); }
  DSP_HD bool divisible() const { return order() > 0 && order() <= AllpoleStep::kState; }
  DSP_HD int stages() const { return 1; }
  DSP_HD bool moves() const { return body().a.size(3) != 1; }
  DSP_HD const Port& signal() const {
    if constexpr (kBack)
      return body().gy;
    else
      return body().x;
  }
  DSP_HD bool sums() const {
    if constexpr (kBack)
      return !moves() && body().ga.given();
    else
      return false;
  }
  template <class T>
  DSP_HD T entry(const Rows& rows, int, int i) const {
    if (i >= order()) return T(0);
    if constexpr (kBack)
      return body().gstate_out.template load<T>(rows.item(0), rows.channel(0), i);
    else
      return body().state.template load<T>(rows.item(0), rows.channel(0), i);
  }
  template <class T, class Part>
  DSP_HD void run_part(std::int64_t row, std::int64_t, const Part& part) const {
    body().template side_by_side<1, T>(row, part);
  }
  template <class T>
  DSP_HD void finish(const Rows& rows, int, const T* total) const {
    for (int j = 0; j < order(); ++j) body().ga.store(total[j], rows.item(0), rows.channel(0), j, 0);
  }

  template <class T>
  struct Coefs {
    const Port a;
    const Rows& rows;

    DSP_HD Coefs(const Body& body, const Rows& r) : a(body.a), rows(r) {}
    DSP_HD void tile(int, std::int64_t t0, int n, T (*c)[AllpoleStep::kCoefs]) const {
      const int order = int(a.size(2));
      const bool moving = a.size(3) != 1;
      for (int m = 0; m < (moving ? n : 1); ++m)
        for (int i = 0; i < AllpoleStep::kCoefs; ++i)
          c[m][i] = i < order ? a.template load<T>(rows.item(0), rows.channel(0), i, moving ? t0 + m : 0) : T(0);
    }
  };
};

}  // namespace
}  // namespace dsp
