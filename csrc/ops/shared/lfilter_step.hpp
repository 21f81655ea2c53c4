// One sample of a direct-form filter of low order as dsp/scan.hpp runs it, in the state of `lfilter`: what is owed to the
// outputs to come. Coefficients are b_0 ... b_4, then a_1 ... a_4, 0 past the order.
#pragma once

#include "dsp/op.hpp"

namespace dsp {
namespace {

struct LfilterStep {
  static constexpr int kState = 4, kCoefs = 2 * kState + 1;

  template <class T>
  static DSP_HD T step(const T* c, T* s, T x) {
    const T y = s[0] + c[0] * x;
    for (int i = 0; i < kState; ++i) s[i] = (i + 1 < kState ? s[i + 1] : T(0)) + c[1 + i] * x - c[1 + kState + i] * y;
    return y;
  }
  /// gs[i] is what the output i samples on owes.
  template <class T>
  static DSP_HD T adjoint(const T* c, const T*, T, T gy, T* gs, T*) {
    T g = gy, gx(0);
    for (int i = 0; i < kState; ++i) g -= c[1 + kState + i] * gs[i], gx += c[1 + i] * gs[i];
    for (int i = kState - 1; i > 0; --i) gs[i] = gs[i - 1];
    gs[0] = g;
    return gx + c[0] * g;
  }
};

/// What Forward and Backward of `lfilter`, the body, tell dsp/scan.hpp.
template <class Body, bool kBackwards>
struct LfilterScan {
  static constexpr bool kScans = true, kBack = kBackwards, kPrecise = true;
  static constexpr int kTotals = LfilterStep::kState + 1;  // of each of the two sets
  static constexpr int kMostStages = 1, kSums = kBackwards ? 2 * kTotals : 0;
  using Scanned = LfilterStep;

  DSP_HD const Body& body() const { return static_cast<const Body&>(*this); }
  DSP_HD int order() const { return int(body().b.size(2)) - 1; }
  DSP_HD bool divisible() const { return order() > 0 && order() <= LfilterStep::kState; }
  DSP_HD int stages() const { return 1; }
  DSP_HD bool moves() const { return body().b.size(3) != 1 || body().a.size(3) != 1; }
  DSP_HD const Port& signal() const {
    if constexpr (kBack)
      return body().gy;
    else
      return body().x;
  }
  DSP_HD bool sums() const {
    if constexpr (kBack)
      return (body().gb.given() && body().b.size(3) == 1) || (body().ga.given() && body().a.size(3) == 1);
    else
      return false;
  }
  template <class T>
  DSP_HD T entry(const Rows& rows, int, int i) const {
    if (i >= order()) return T(0);
    if constexpr (kBack)
      return load<T>(body().gstate_out, rows, i);
    else
      return load<T>(body().state, rows, i);
  }
  template <class T>
  DSP_HD void finish(const Rows& rows, int, const T* total) const {
    for (int i = 0; i <= order(); ++i) {
      if (body().b.size(3) == 1) store(body().gb, rows, total[i], i, 0);
      if (body().a.size(3) == 1) store(body().ga, rows, total[kTotals + i], i, 0);
    }
  }

  template <class T>
  struct Coefs {
    const Body& body;
    const Rows& rows;

    DSP_HD Coefs(const Body& b, const Rows& r) : body(b), rows(r) {}
    DSP_HD void tile(int, std::int64_t t0, int n, T (*c)[LfilterStep::kCoefs]) const {
      constexpr int S = LfilterStep::kState;
      const int order = body.order();
      const bool b_moves = body.b.size(3) != 1, a_moves = body.a.size(3) != 1;
      for (int m = 0; m < (body.moves() ? n : 1); ++m)
        for (int i = 0; i <= S; ++i) {
          c[m][i] = i <= order ? load<T>(body.b, rows, i, b_moves ? t0 + m : 0) : T(0);
          if (i > 0) c[m][S + i] = i <= order ? load<T>(body.a, rows, i, a_moves ? t0 + m : 0) : T(0);
        }
    }
  };
};

}  // namespace
}  // namespace dsp
