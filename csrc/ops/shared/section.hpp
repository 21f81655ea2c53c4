// The second-order section: a topology-preserving state-variable filter.
//
// A direct-form biquad in float32 is 55 dB from the truth at 20 Hz and Q 0.7, and 25 dB at Q 10; in
// these coordinates, with coefficients prepared in float64, it stays below -120 dB. With H(z) =
// (b0 + b1/z + b2/zz) / (1 + a1/z + a2/zz), N = 4 / (1 - a1 + a2), g = tan(pi f / fs) and k = 1/Q:
// gg = (1 + a1 + a2) / (1 - a1 + a2), gk = 2 (1 - a2) / (1 - a1 + a2). The trapezoidal integrators and
// the mixing gains m follow A. Simper, "Linear Trapezoidal Integrated State Variable Filter" (2013).
#pragma once

#include "dsp/recursion.hpp"

namespace dsp {
namespace {

struct Section {
  static constexpr const char* kName = "sosfilt";
  static constexpr int kParams = 6, kCoefs = 6, kState = 2;
  static constexpr bool kWide = false, kLinear = true, kFrames = true;

  /// (b0, b1, b2, a0, a1, a2) to (1 - 1/N, g/N, gg/N, and the gains of input, band-pass and low-pass). A
  /// low corner needs 1 - 1/N, not 1/N: rounded to float32, 1/N would be 80 dB from the truth at 20 Hz.
  template <class S>
  static DSP_HD void prepare(const S* sos, S* c) {
    const S inverse = S(1) / sos[3];
    const S b0 = sos[0] * inverse, b1 = sos[1] * inverse, b2 = sos[2] * inverse;
    const S a1 = sos[4] * inverse, a2 = sos[5] * inverse;
    const S at_nyquist = S(1) - a1 + a2, at_zero = S(1) + a1 + a2;
    const S root = sqrt_(at_zero * at_nyquist), over = S(1) / root;  // one division for all
    c[0] = (S(3) + a1 - a2) * S(0.25);
    c[1] = root * S(0.25);
    c[2] = at_zero * S(0.25);
    c[3] = (b0 - b1 + b2) * (at_zero * over) * over;
    c[4] = S(2) * (b0 - b2 - c[3] * (S(1) - a2)) * over;
    c[5] = (b0 + b1 + b2) * (at_nyquist * over) * over - c[3];
  }
  template <class S>
  static DSP_HD void unprepare(const S* sos, const S* gc, S* gsos) {
    const S inverse = S(1) / sos[3];
    const S b0 = sos[0] * inverse, b1 = sos[1] * inverse, b2 = sos[2] * inverse;
    const S a1 = sos[4] * inverse, a2 = sos[5] * inverse;
    const S at_nyquist = S(1) - a1 + a2, at_zero = S(1) + a1 + a2;
    const S root = sqrt_(at_zero * at_nyquist), over = S(1) / root;
    const S nyquist = (at_zero * over) * over, zero = (at_nyquist * over) * over;  // one over each
    const S high = (b0 - b1 + b2) * nyquist, low = (b0 + b1 + b2) * zero;
    const S band = S(2) * (b0 - b2 - high * (S(1) - a2)) * over;
    const S gband = S(2) * gc[4] * over, glow = gc[5] * zero;
    const S groot = S(0.25) * gc[1] - gc[4] * band * over;
    const S ghigh = (gc[3] - gc[5] - gband * (S(1) - a2)) * nyquist;
    const S gnyquist = S(0.5) * groot * at_zero * over - ghigh * high;
    const S gzero = S(0.5) * groot * at_nyquist * over - glow * low + S(0.25) * gc[2];
    const S gb0 = ghigh + glow + gband, gb1 = glow - ghigh, gb2 = ghigh + glow - gband;
    const S ga1 = S(0.25) * gc[0] - gnyquist + gzero;
    const S ga2 = gband * high - S(0.25) * gc[0] + gnyquist + gzero;
    gsos[0] = gb0 * inverse;
    gsos[1] = gb1 * inverse;
    gsos[2] = gb2 * inverse;
    gsos[3] = -(inverse * (b0 * gb0 + b1 * gb1 + b2 * gb2 + a1 * ga1 + a2 * ga2));
    gsos[4] = ga1 * inverse;
    gsos[5] = ga2 * inverse;
  }

  template <class T>
  static DSP_HD T step(const T* c, T* s, T x) {
    const T v3 = x - s[1];
    const T rise = c[1] * v3 - c[0] * s[0];  // half of what the integrators gain
    const T lift = c[1] * s[0] + c[2] * v3;
    const T band = s[0] + rise, low = s[1] + lift;
    s[0] += T(2) * rise;
    s[1] += T(2) * lift;
    return c[3] * x + (c[4] * band + c[5] * low);
  }

  template <class T>
  static DSP_HD T adjoint(const T* c, const T* s, T x, T gy, T* gs, T* gc) {
    const T v3 = x - s[1];
    const T band = s[0] + (c[1] * v3 - c[0] * s[0]);
    const T low = s[1] + (c[1] * s[0] + c[2] * v3);
    const T grise = T(2) * gs[0] + c[4] * gy;
    const T glift = T(2) * gs[1] + c[5] * gy;
    const T gv3 = c[1] * grise + c[2] * glift;
    gc[0] -= grise * s[0];
    gc[1] += grise * v3 + glift * s[0];
    gc[2] += glift * v3;
    gc[3] += gy * x;
    gc[4] += gy * band;
    gc[5] += gy * low;
    gs[0] = gs[0] + c[4] * gy + (c[1] * glift - c[0] * grise);
    gs[1] = gs[1] + c[5] * gy - gv3;
    return c[3] * gy + gv3;
  }
};

}  // namespace
}  // namespace dsp
