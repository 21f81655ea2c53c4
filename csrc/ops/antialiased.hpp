// Memoryless curves with antiderivative anti-aliasing: the signal between two samples is a straight line,
// it is bent there, and averaged over one sample (first order) or under a triangle of two (second order):
//   y[t] = mean of f from x[t-1] to x[t]
//   y[t] = mean of s f from x[t-2] to x[t-1] + mean of (1 - s) f from x[t-1] to x[t], s the part gone
// (J. Parker, V. Zavalishin, E. Le Bivic, "Reducing the Aliasing of Nonlinear Waveshaping Using
// Continuous-Time Convolution", DAFx 2016; numerical care after S. Bilbao, F. Esqueda, J. Parker, V.
// Valimaki, "Antiderivative Antialiasing for Memoryless Nonlinearities", IEEE SPL 24(7), 2017). Computed in
// float64: in float32 differences of samples would be good to 60 dB only.
#pragma once

#include "dsp/recursion.hpp"
#include "ops/shared/curves.hpp"

namespace dsp {
namespace {

template <class Curve>
struct FirstOrder {
  static constexpr int kParams = 1, kCoefs = 1, kState = 1;  // the gain into the curve; x[t-1] after it
  static constexpr bool kWide = true, kLinear = false;

  template <class S>
  static DSP_HD void prepare(const S* params, S* c) { c[0] = params[0]; }

  template <class T>
  static DSP_HD T step(const T* c, T* s, T x) {
    T mean[1];
    const T now = c[0] * x;
    means<Curve, 1>(s[0], now, mean);
    s[0] = now;
    return mean[0];
  }

  template <class T>
  static DSP_HD T adjoint(const T* c, const T* s, T x, T gy, T* gs, T* gc) {
    T slope[2];
    Curve::template slopes<1>(s[0], c[0] * x, slope);
    const T gnow = gs[0] + gy * slope[1];
    gs[0] = gy * (slope[0] - slope[1]);
    gc[0] += gnow * x;
    return gnow * c[0];
  }
};

template <class Curve>
struct SecondOrder {
  static constexpr int kParams = 1, kCoefs = 1, kState = 2;  // x[t-1] after the gain, the mean of s f that ends there
  static constexpr bool kWide = true, kLinear = false;

  template <class S>
  static DSP_HD void prepare(const S* params, S* c) { c[0] = params[0]; }

  template <class T>
  static DSP_HD T step(const T* c, T* s, T x) {
    T mean[2];
    const T now = c[0] * x;
    means<Curve, 2>(s[0], now, mean);
    const T y = s[1] + (mean[0] - mean[1]);
    s[0] = now;
    s[1] = mean[1];
    return y;
  }

  template <class T>
  static DSP_HD T adjoint(const T* c, const T* s, T x, T gy, T* gs, T* gc) {
    T slope[3];
    Curve::template slopes<2>(s[0], c[0] * x, slope);
    const T grising = gs[1] - gy;  // what the mean of s f owes, here and in the next sample
    const T gnow = gs[0] + gy * slope[1] + grising * slope[2];
    gs[0] = gy * (slope[0] - slope[1]) + grising * (slope[1] - slope[2]);
    gs[1] = gy;
    gc[0] += gnow * x;
    return gnow * c[0];
  }
};

struct FirstTanh : FirstOrder<Tanh> { static constexpr const char* kName = "antialiased_tanh"; };
struct FirstArctan : FirstOrder<Arctan> { static constexpr const char* kName = "antialiased_arctan"; };
struct FirstHard : FirstOrder<Hard> { static constexpr const char* kName = "antialiased_hard"; };
struct FirstCubic : FirstOrder<Cubic> { static constexpr const char* kName = "antialiased_cubic"; };
struct FirstDiode : FirstOrder<Diode> { static constexpr const char* kName = "antialiased_diode"; };
struct FirstFold : FirstOrder<Fold> { static constexpr const char* kName = "antialiased_fold"; };
struct FirstTube : FirstOrder<Tube> { static constexpr const char* kName = "antialiased_tube"; };
struct SecondTanh : SecondOrder<Tanh> { static constexpr const char* kName = "antialiased2_tanh"; };
struct SecondArctan : SecondOrder<Arctan> { static constexpr const char* kName = "antialiased2_arctan"; };
struct SecondHard : SecondOrder<Hard> { static constexpr const char* kName = "antialiased2_hard"; };
struct SecondCubic : SecondOrder<Cubic> { static constexpr const char* kName = "antialiased2_cubic"; };
struct SecondDiode : SecondOrder<Diode> { static constexpr const char* kName = "antialiased2_diode"; };
struct SecondFold : SecondOrder<Fold> { static constexpr const char* kName = "antialiased2_fold"; };
struct SecondTube : SecondOrder<Tube> { static constexpr const char* kName = "antialiased2_tube"; };

const Register<Recursion<FirstTanh>> kFirstTanh;
const Register<Recursion<FirstArctan>> kFirstArctan;
const Register<Recursion<FirstHard>> kFirstHard;
const Register<Recursion<FirstCubic>> kFirstCubic;
const Register<Recursion<FirstDiode>> kFirstDiode;
const Register<Recursion<FirstFold>> kFirstFold;
const Register<Recursion<FirstTube>> kFirstTube;
const Register<Recursion<SecondTanh>> kSecondTanh;
const Register<Recursion<SecondArctan>> kSecondArctan;
const Register<Recursion<SecondHard>> kSecondHard;
const Register<Recursion<SecondCubic>> kSecondCubic;
const Register<Recursion<SecondDiode>> kSecondDiode;
const Register<Recursion<SecondFold>> kSecondFold;
const Register<Recursion<SecondTube>> kSecondTube;

}  // namespace
}  // namespace dsp
