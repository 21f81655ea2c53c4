// First-order filters around one smoother, s[t+1] = s[t] + (1 - a) (x[t] - s[t]) with the pole a: with
// d = x - s the low-pass gives s + (1 - a) d, the high-pass (1 + a) / 2 d, the all-pass s - a d. Kept as
// 1 - a, prepared in float64, a low corner has all its digits in float32.
#pragma once

#include "dsp/modulated.hpp"

namespace dsp {
namespace {

enum class Pass { kLow, kHigh, kAll };

template <Pass kPass>
struct Onepole {
  static constexpr const char* kName = kPass == Pass::kLow    ? "onepole_lowpass"
                                       : kPass == Pass::kHigh ? "onepole_highpass"
                                                              : "onepole_allpass";
  static constexpr int kParams = 1, kCoefs = kPass == Pass::kLow ? 1 : 2, kState = 1;
  static constexpr bool kWide = false, kLinear = true;

  template <class S>
  static DSP_HD void prepare(const S* params, S* c) {
    c[0] = S(1) - params[0];
    if constexpr (kPass == Pass::kHigh) c[1] = S(0.5) * (S(1) + params[0]);
    if constexpr (kPass == Pass::kAll) c[1] = -params[0];
  }

  template <class T>
  static DSP_HD T step(const T* c, T* s, T x) {
    const T before = s[0], d = x - before;
    s[0] = before + c[0] * d;
    if constexpr (kPass == Pass::kLow) return s[0];
    if constexpr (kPass == Pass::kHigh) return c[1] * d;
    if constexpr (kPass == Pass::kAll) return before + c[1] * d;
  }

  template <class T>
  static DSP_HD T adjoint(const T* c, const T* s, T x, T gy, T* gs, T* gc) {
    const T d = x - s[0], g = kPass == Pass::kLow ? gs[0] + gy : gs[0];
    T gd = c[0] * g;
    gc[0] += g * d;
    if constexpr (kPass != Pass::kLow) {
      gc[1] += gy * d;
      gd += c[1] * gy;
    }
    gs[0] = (kPass == Pass::kAll ? g + gy : g) - gd;
    return gd;
  }
};

const Register<Modulated<Onepole<Pass::kLow>>> kLowpass;
const Register<Modulated<Onepole<Pass::kHigh>>> kHighpass;
const Register<Modulated<Onepole<Pass::kAll>>> kAllpassOp;

}  // namespace
}  // namespace dsp
