// One sample of a direct-form filter as dsp/scan.hpp runs it, in the state of `lfilter`: what is owed to the
// outputs to come. Coefficients are b_0 ... b_N, then a_1 ... a_N, 0 past the order.
#pragma once

#include "ops/shared/any_order.hpp"

namespace dsp {
namespace {

template <int N>
struct LfilterStep {
  static constexpr int kState = N, kCoefs = 2 * N + 1;

  template <class T>
  static DSP_HD T step(const T* c, T* s, T x, int order = N) {
    const T y = s[0] + c[0] * x;
    for (int i = 0; i < order; ++i) s[i] = (i + 1 < order ? s[i + 1] : T(0)) + c[1 + i] * x - c[1 + N + i] * y;
    return y;
  }
  /// gs[i] is what the output i samples on owes.
  template <class T>
  static DSP_HD T adjoint(const T* c, const T*, const T&, T gy, T* gs, T*, int order = N) {
    T g = gy, gx(0);
    for (int i = 0; i < order; ++i) g -= c[1 + N + i] * gs[i], gx += c[1 + i] * gs[i];
    for (int i = order - 1; i > 0; --i) gs[i] = gs[i - 1];
    gs[0] = g;
    return gx + c[0] * g;
  }
};

/// What Forward and Backward of `lfilter`, the body, tell dsp/scan.hpp.
template <class Body, bool kBackwards>
struct LfilterScan : AnyOrder<Body, LfilterStep, kBackwards> {
  static constexpr int kSums = kBackwards ? 2 * (kMostDivided + 1) : 0;

  using AnyOrder<Body, LfilterStep, kBackwards>::body;
  DSP_HD int order() const { return int(body().b.size(2)) - 1; }
  DSP_HD int totals() const { return order() + 1; }  // of each of the two sets
  DSP_HD bool moves() const { return body().b.size(3) != 1 || body().a.size(3) != 1; }
  DSP_HD int sums() const {
    if constexpr (kBackwards)
      return (this->wanted(body().gb) && body().b.size(3) == 1) || (this->wanted(body().ga) && body().a.size(3) == 1) ? 2 * totals() : 0;
    return 0;
  }
  template <class T>
  DSP_HD void finish(const Rows& rows, int, const T* total) const {
    for (int i = 0; i <= order(); ++i) {
      if (body().b.size(3) == 1) store(body().gb, rows, total[i], i, 0);
      if (body().a.size(3) == 1) store(body().ga, rows, total[totals() + i], i, 0);
    }
  }

  template <class T>
  struct Coefs {
    const Body& body;
    const Rows& rows;

    DSP_HD Coefs(const Body& b, const Rows& r) : body(b), rows(r) {}
    template <int C>
    DSP_HD void tile(int, std::int64_t t0, int n, T (*c)[C]) const {
      constexpr int N = C / 2;
      const int order = body.order();
      const bool b_moves = body.b.size(3) != 1, a_moves = body.a.size(3) != 1;
      for (int m = 0; m < (body.moves() ? n : 1); ++m)
        for (int i = 0; i <= N; ++i) {
          c[m][i] = i <= order ? load<T>(body.b, rows, i, b_moves ? t0 + m : 0) : T(0);
          if (i > 0) c[m][N + i] = i <= order ? load<T>(body.a, rows, i, a_moves ? t0 + m : 0) : T(0);
        }
    }
  };
};

}  // namespace
}  // namespace dsp
