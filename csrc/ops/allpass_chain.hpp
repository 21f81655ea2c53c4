// First-order all-passes in series with one moving pole a, and feedback f around them: the phaser. Stage
// k gives u_k = s_k - a (u_{k-1} - s_k) and moves s_k by (1 - a) (u_{k-1} - s_k); u_0 = x + f u_n. The loop
// has no delay (V. Zavalishin, "The Art of VA Filter Design", 2012): with (-a)^n the gain through all
// stages and r what they give at u_0 = 0, u_0 = (x + f r) / (1 - f (-a)^n). The adjoint is the same loop
// the other way round.
#pragma once

#include "dsp/modulated.hpp"

namespace dsp {
namespace {

struct AllpassChain {
  static constexpr const char* kName = "allpass_chain";
  static constexpr int kParams = 2, kCoefs = 3, kState = 24;  // most stages; the Python op refuses more
  static constexpr bool kWide = false, kLinear = true, kVariable = true;

  template <class S>
  static DSP_HD void prepare(const S* params, S* c) {
    c[0] = S(1) - params[0];
    c[1] = params[0];
    c[2] = params[1];
  }

  /// What goes into the first stage.
  template <class T>
  static DSP_HD T entry(const T* c, const T* s, const T& x, int stages) {
    T rest(0), through(1);
    for (int k = 0; k < stages; ++k) {
      rest = s[k] - c[1] * (rest - s[k]);
      through *= -c[1];
    }
    return (x + c[2] * rest) / (T(1) - c[2] * through);
  }

  template <class T>
  static DSP_HD T step(const T* c, T* s, const T& x, int stages) {
    T u = entry(c, s, x, stages);
    for (int k = 0; k < stages; ++k) {
      const T d = u - s[k];
      u = s[k] - c[1] * d;
      s[k] += c[0] * d;
    }
    return u;
  }

  template <class T>
  static DSP_HD T adjoint(const T* c, const T* s, const T& x, const T& gy, T* gs, T* gc, int stages) {
    T d[kState], u = entry(c, s, x, stages);
    for (int k = 0; k < stages; ++k) {
      d[k] = u - s[k];
      u = s[k] - c[1] * d[k];
    }
    T rest(0), through(1);
    for (int k = stages - 1; k >= 0; --k) {
      rest = c[0] * gs[k] - c[1] * rest;
      through *= -c[1];
    }
    T g = (gy + c[2] * rest) / (T(1) - c[2] * through);  // what the last stage owes
    for (int k = stages - 1; k >= 0; --k) {
      gc[0] += gs[k] * d[k];
      gc[1] -= g * d[k];
      const T gd = c[0] * gs[k] - c[1] * g;
      gs[k] += g - gd;
      g = gd;
    }
    gc[2] += g * u;
    return g;
  }
};

const Register<Modulated<AllpassChain>> kAllpassChain;

}  // namespace
}  // namespace dsp
