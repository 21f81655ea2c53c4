// Memoryless curves with first-order antiderivative anti-aliasing: y[t] = (F(x[t]) - F(x[t-1])) / (x[t]
// - x[t-1]) with F the antiderivative of the curve f (J. Parker, V. Zavalishin, E. Le Bivic, "Reducing
// the Aliasing of Nonlinear Waveshaping Using Continuous-Time Convolution", DAFx 2016). Where the two
// samples nearly meet the quotient loses its digits, so its Taylor series f(m) + d d f''(m) / 24 takes
// over. Computed in float64: at float32 the quotient is good to 60 dB only.
#pragma once

#include "dsp/recursion.hpp"

namespace dsp {
namespace {

/// f, its antiderivative and its first two derivatives.
struct Tanh {
  static constexpr const char* kName = "antialiased_tanh";
  template <class T>
  static DSP_HD T f(const T& x) { return tanh_(x); }
  template <class T>
  static DSP_HD T antiderivative(const T& x) {  // log cosh x, without overflow
    const T a = abs_(x);
    return a + log1p_(exp_(T(-2) * a)) - T(0.6931471805599453);
  }
  template <class T>
  static DSP_HD T slope(const T& x) {
    const T y = tanh_(x);
    return T(1) - y * y;
  }
  template <class T>
  static DSP_HD T bend(const T& x) {
    const T y = tanh_(x);
    return T(-2) * y * (T(1) - y * y);
  }
};

struct Arctan {
  static constexpr const char* kName = "antialiased_arctan";
  static constexpr double kScale = 0.6366197723675814;  // 2 / pi: the curve ends at 1
  static constexpr double kSteep = 1.5707963267948966;  // unit slope at the origin
  template <class T>
  static DSP_HD T f(const T& x) { return T(kScale) * atan_(T(kSteep) * x); }
  template <class T>
  static DSP_HD T antiderivative(const T& x) {
    const T u = T(kSteep) * x;
    return T(kScale / kSteep) * (u * atan_(u) - T(0.5) * log1p_(u * u));
  }
  template <class T>
  static DSP_HD T slope(const T& x) {
    const T u = T(kSteep) * x;
    return T(1) / (T(1) + u * u);
  }
  template <class T>
  static DSP_HD T bend(const T& x) {
    const T u = T(kSteep) * x, d = T(1) + u * u;
    return T(-2 * kSteep) * u / (d * d);
  }
};

struct Hard {
  static constexpr const char* kName = "antialiased_hard";
  template <class T>
  static DSP_HD T f(const T& x) { return max_(T(-1), min_(T(1), x)); }
  template <class T>
  static DSP_HD T antiderivative(const T& x) {
    const T a = abs_(x);
    return select(less(a, T(1)), T(0.5) * x * x, a - T(0.5));
  }
  template <class T>
  static DSP_HD T slope(const T& x) { return select(less(abs_(x), T(1)), T(1), T(0)); }
  template <class T>
  static DSP_HD T bend(const T&) { return T(0); }
};

/// 1.5 x - 0.5 x^3 up to full scale: the softest polynomial knee.
struct Cubic {
  static constexpr const char* kName = "antialiased_cubic";
  template <class T>
  static DSP_HD T f(const T& x) {
    const T u = max_(T(-1), min_(T(1), x));
    return T(1.5) * u - T(0.5) * u * u * u;
  }
  template <class T>
  static DSP_HD T antiderivative(const T& x) {
    const T a = abs_(x), s = x * x;
    return select(less(a, T(1)), s * (T(0.75) - T(0.125) * s), a - T(0.375));
  }
  template <class T>
  static DSP_HD T slope(const T& x) {
    return select(less(abs_(x), T(1)), T(1.5) * (T(1) - x * x), T(0));
  }
  template <class T>
  static DSP_HD T bend(const T& x) { return select(less(abs_(x), T(1)), T(-3) * x, T(0)); }
};

template <class Curve>
struct Antialiased {
  static constexpr const char* kName = Curve::kName;
  static constexpr int kParams = 1, kCoefs = 1, kState = 1;  // the gain into the curve; x[t-1] after it
  static constexpr bool kWide = true;
  // Where quotient and series err alike in float64: 1e-16 / d against d^4 / 1920.
  static constexpr double kNear = 1e-3;

  template <class S>
  static DSP_HD void prepare(const S* params, S* c) { c[0] = params[0]; }

  template <class T>
  static DSP_HD T step(const T* c, T* s, T x) {
    const T now = c[0] * x, d = now - s[0];
    const auto near = less(abs_(d), T(kNear));
    const T middle = T(0.5) * (now + s[0]);
    const T series = Curve::f(middle) + d * d * T(1.0 / 24) * Curve::bend(middle);
    const T quotient = (Curve::antiderivative(now) - Curve::antiderivative(s[0])) / select(near, T(1), d);
    s[0] = now;
    return select(near, series, quotient);
  }

  template <class T>
  static DSP_HD T adjoint(const T* c, const T* s, T x, T gy, T* gs, T* gc) {
    const T now = c[0] * x, d = now - s[0];
    const auto near = less(abs_(d), T(kNear));
    const T middle = T(0.5) * (now + s[0]);
    // The mean of f over the step: its derivatives are those of the curve averaged with a ramp.
    const T half = T(0.5) * Curve::slope(middle);
    const T tilt = d * T(1.0 / 12) * Curve::bend(middle);
    const T wide = select(near, T(1), d);
    const T y = (Curve::antiderivative(now) - Curve::antiderivative(s[0])) / wide;
    const T to_now = select(near, half + tilt, (Curve::f(now) - y) / wide);
    const T to_before = select(near, half - tilt, (y - Curve::f(s[0])) / wide);
    const T gnow = gs[0] + gy * to_now;
    gs[0] = gy * to_before;
    gc[0] += gnow * x;
    return gnow * c[0];
  }
};

const Register<Recursion<Antialiased<Tanh>>> kTanh;
const Register<Recursion<Antialiased<Arctan>>> kArctan;
const Register<Recursion<Antialiased<Hard>>> kHard;
const Register<Recursion<Antialiased<Cubic>>> kCubic;

}  // namespace
}  // namespace dsp
