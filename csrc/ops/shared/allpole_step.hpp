// One sample of an all-pole filter as dsp/scan.hpp runs it: the state is the last outputs, the newest first, and
// coefficients past the order are 0. The scan runs it in float64 whatever the audio is: outputs near a
// low corner are almost alike, and what parts would lose there in float32 they would keep.
#pragma once

#include "ops/shared/any_order.hpp"

namespace dsp {
namespace {

template <int N>
struct AllpoleStep {
  static constexpr int kState = N, kCoefs = N;

  template <class T>
  static DSP_HD T step(const T* c, T* s, T x, int order = N) {
    for (int i = order - 1; i >= 0; --i) x -= c[i] * s[i];
    for (int i = order - 1; i > 0; --i) s[i] = s[i - 1];
    s[0] = x;
    return x;
  }
  template <class T>
  static DSP_HD T adjoint(const T* c, const T*, const T&, T gy, T* gs, T*, int order = N) {
    const T g = gy + gs[0];
    for (int i = 0; i < order; ++i) gs[i] = (i + 1 < order ? gs[i + 1] : T(0)) - c[i] * g;
    return g;
  }
};

/// What Forward and Backward of an all-pole filter, the body, tell dsp/scan.hpp.
template <class Body, bool kBackwards>
struct AllpoleScan : AnyOrder<Body, AllpoleStep, kBackwards> {
  static constexpr int kSums = kBackwards ? kMostDivided : 0;

  using AnyOrder<Body, AllpoleStep, kBackwards>::body;
  DSP_HD int order() const { return int(body().a.size(2)); }
  DSP_HD bool moves() const { return body().a.size(3) != 1; }
  DSP_HD int sums() const {
    if constexpr (kBackwards) return !moves() && this->wanted(body().ga) ? order() : 0;
    return 0;
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
    template <int C>
    DSP_HD void tile(int, std::int64_t t0, int n, T (*c)[C]) const {
      const int order = int(a.size(2));
      const bool moving = a.size(3) != 1;
      for (int m = 0; m < (moving ? n : 1); ++m)
        for (int i = 0; i < C; ++i) c[m][i] = i < order ? load<T>(a, rows, i, moving ? t0 + m : 0) : T(0);
    }
  };
};

}  // namespace
}  // namespace dsp
