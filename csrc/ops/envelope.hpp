// First-order smoothing with separate attack and release: y[t] = y[t-1] + c (x[t] - y[t-1]) with c the
// attack coefficient while the input lies above, the release coefficient otherwise (J. Reiss, D.
// Giannoulis et al., "Digital Dynamic Range Compressor Design", JAES 60(6), 2012, the branching form).
#pragma once

#include "dsp/recursion.hpp"

namespace dsp {
namespace {

struct Envelope {
  static constexpr const char* kName = "envelope";
  static constexpr int kParams = 2, kCoefs = 2, kState = 1;
  static constexpr bool kWide = false, kLinear = false, kReplays = true, kSettles = true;

  template <class S>
  static DSP_HD void prepare(const S* params, S* c) {
    c[0] = params[0];
    c[1] = params[1];
  }

  template <class T>
  static DSP_HD T step(const T* c, T* s, T x) {
    s[0] = s[0] + select(less(s[0], x), c[0], c[1]) * (x - s[0]);
    return s[0];
  }

  template <class T>
  static DSP_HD T adjoint(const T* c, const T* s, T x, T gy, T* gs, T* gc) {
    const auto attack = less(s[0], x);
    const T coefficient = select(attack, c[0], c[1]);
    const T g = gy + gs[0];
    const T slope = g * (x - s[0]);
    gc[0] += select(attack, slope, T(0));
    gc[1] += select(attack, T(0), slope);
    const T gx = coefficient * g;
    gs[0] = g - gx;
    return gx;
  }
};

const Register<Recursion<Envelope>> kEnvelope;

}  // namespace
}  // namespace dsp
