// A state-variable filter whose corner and resonance move: trapezoidal integrators with the loop without
// delay solved (A. Simper, "Linear Trapezoidal Integrated State Variable Filter", 2013). Its three
// outputs are mixed by gains, y = high h + band b + low l, the band scaled to 0 dB at its centre.
#pragma once

#include "dsp/modulated.hpp"
#include "ops/shared/section.hpp"

namespace dsp {
namespace {

struct Svf {
  static constexpr const char* kName = "svf";
  // cutoff in cycles per sample, q, gains of high-pass, band-pass and low-pass -> those of Section
  static constexpr int kParams = 5, kCoefs = Section::kCoefs, kState = Section::kState;
  static constexpr bool kWide = false, kLinear = true;

  template <class S>
  static DSP_HD void prepare(const S* params, S* c) {
    const S g = tan_pi_(params[0]), k = S(1) / params[1];
    const S inverse = S(1) / (S(1) + g * (g + k));
    c[1] = g * inverse;
    c[0] = c[1] * (g + k);  // 1 - inverse, with all its digits
    c[2] = c[1] * g;
    c[3] = params[2];
    c[4] = k * (params[3] - params[2]);
    c[5] = params[4] - params[2];
  }
  template <class S>
  static DSP_HD void unprepare(const S* params, const S* gc, S* gp) {
    const S g = tan_pi_(params[0]), k = S(1) / params[1];
    const S inverse = S(1) / (S(1) + g * (g + k)), ratio = g * inverse;
    const S gratio = gc[1] + gc[0] * (g + k) + gc[2] * g;
    const S glow = -(gratio * ratio * inverse);  // of 1 + g (g + k)
    const S gg = gratio * inverse + ratio * (gc[0] + gc[2]) + glow * (S(2) * g + k);
    const S gk = ratio * gc[0] + glow * g + gc[4] * (params[3] - params[2]);
    gp[0] = gg * S(3.141592653589793) * (S(1) + g * g);
    gp[1] = -(gk * k * k);
    gp[2] = gc[3] - k * gc[4] - gc[5];
    gp[3] = k * gc[4];
    gp[4] = gc[5];
  }

  template <class T>
  static DSP_HD T step(const T* c, T* s, T x) { return Section::step(c, s, x); }
  template <class T>
  static DSP_HD T adjoint(const T* c, const T* s, T x, T gy, T* gs, T* gc) {
    return Section::adjoint(c, s, x, gy, gs, gc);
  }
};

const Register<Modulated<Svf>> kSvf;

}  // namespace
}  // namespace dsp
