// The transistor ladder whose corner and feedback move: four trapezoidal one-pole low-passes G = g / (1 + g)
// in series, y_i = s_i + G (y_{i-1} - s_i), s_i += 2 G (y_{i-1} - s_i), and feedback k from the last to the
// input without delay (V. Zavalishin, "The Art of VA Filter Design", 2012, chapter 5). With r what the last
// stage gives at no input, u = y_0 solves u = x - k (G^4 u + r); in the saturated ladder u = tanh(v), v = x -
// k (G^4 u + r), which Newton's method finds. Input and stages are mixed by gains, y = sum m_i y_i. The
// adjoint is the same loop the other way round, its input divided by the slope of the same equation.
#pragma once

#include "dsp/modulated.hpp"

namespace dsp {
namespace {

template <bool kSaturated>
struct Ladder {
  static constexpr const char* kName = kSaturated ? "ladder_tanh" : "ladder";
  // cutoff in cycles per sample, feedback, gains of input and stages -> G, k, k G^4, gains
  static constexpr int kParams = 7, kCoefs = 8, kState = 4, kStages = 4;
  static constexpr bool kWide = false, kLinear = !kSaturated, kReplays = kSaturated, kSettles = kSaturated;

  template <class S>
  static DSP_HD void prepare(const S* params, S* c) {
    const S g = tan_pi_(params[0]);
    c[0] = g / (S(1) + g);
    c[1] = params[1];
    c[2] = c[1] * (c[0] * c[0]) * (c[0] * c[0]);
    for (int i = 0; i <= kStages; ++i) c[3 + i] = params[2 + i];
  }
  /// k G^4 only solves the loop: what it owes lies in what G and k owe.
  template <class S>
  static DSP_HD void unprepare(const S* params, const S* gc, S* gp) {
    const S g = tan_pi_(params[0]), under = S(1) / (S(1) + g);
    gp[0] = gc[0] * under * under * S(3.141592653589793) * (S(1) + g * g);
    gp[1] = gc[1];
    for (int i = 0; i <= kStages; ++i) gp[2 + i] = gc[3 + i];
  }

  /// What goes into the first stage, and the slope at which the loop's input reaches it.
  template <class T>
  static DSP_HD T entry(const T* c, const T* s, const T& x, T& slope) {
    T rest(0);
    for (int i = 0; i < kStages; ++i) rest = s[i] + c[0] * (rest - s[i]);
    const T a = x - c[1] * rest;
    if constexpr (!kSaturated) {
      slope = T(1);
      return a / (T(1) + c[2]);
    } else {
      const T v = solved(a, c[2]), u = tanh_(v);
      slope = T(1) - u * u;
      return u;
    }
  }

  /// v + c tanh v = a for 0 <= c <= 6. The left side is concave for v > 0 and both starts lie left of the
  /// root, so Newton's steps never pass it; five leave 2e-10 of v at most, which the last squares. That one
  /// is taken in T: on duals it gives the derivative of the root.
  template <class T>
  static DSP_HD T solved(const T& a, const T& c) {
    using P = decltype(primal(a));
    const P to = abs_(primal(a)), k = primal(c), one(1);
    P v = max_(to / (one + k), to - k);
    for (int i = 0; i < 5; ++i) {
      const P u = tanh_(v);
      v = v - (v + k * u - to) / (one + k * (one - u * u));
    }
    const T near = T(select(less(primal(a), P(0)), -v, v));
    const T u = tanh_(near);
    return near - (near + c * u - a) / (T(1) + c * (T(1) - u * u));
  }

  template <class T>
  static DSP_HD T step(const T* c, T* s, const T& x) {
    T slope, u = entry(c, s, x, slope), y = c[3] * u;
    for (int i = 0; i < kStages; ++i) {
      const T rise = c[0] * (u - s[i]);
      u = s[i] + rise;
      s[i] = u + rise;
      y += c[4 + i] * u;
    }
    return y;
  }

  template <class T>
  static DSP_HD T adjoint(const T* c, const T* s, const T& x, const T& gy, T* gs, T* gc) {
    T slope, d[kStages], u = entry(c, s, x, slope);
    gc[3] += gy * u;
    for (int i = 0; i < kStages; ++i) {
      d[i] = u - s[i];
      u = s[i] + c[0] * d[i];
      gc[4 + i] += gy * u;
    }
    // What u owes without the loop, then what the last stage owes to it.
    T g(0);
    for (int i = kStages - 1; i >= 0; --i) g = c[0] * (g + c[4 + i] * gy + T(2) * gs[i]);
    g = slope * (g + c[3] * gy);
    const T gx = g / (T(1) + slope * c[2]);
    gc[1] -= gx * u;
    g = -(c[1] * gx);
    for (int i = kStages - 1; i >= 0; --i) {
      g += c[4 + i] * gy;
      const T rise = g + T(2) * gs[i];
      gc[0] += rise * d[i];
      const T gd = c[0] * rise;
      gs[i] += g - gd;
      g = gd;
    }
    return gx;
  }
};

const Register<Modulated<Ladder<false>>> kLadder;
const Register<Modulated<Ladder<true>>> kLadderTanh;

}  // namespace
}  // namespace dsp
