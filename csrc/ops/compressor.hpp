// The gain computer of a feed-forward compressor in one pass: level in dB, static curve with a soft
// knee (a parabola), attack and release smoothing of the gain in dB, back to a linear gain. After J.
// Reiss, D. Giannoulis et al., "Digital Dynamic Range Compressor Design", JAES 60(6), 2012, eq. 4 and
// the branching smoother.
#pragma once

#include "dsp/recursion.hpp"

namespace dsp {
namespace {

struct Compressor {
  static constexpr const char* kName = "compressor";
  // threshold_db, ratio, knee_db, attack, release -> threshold_db, 1/ratio - 1, knee_db, attack, release
  static constexpr int kParams = 5, kCoefs = 5, kState = 1;
  static constexpr bool kWide = false;

  template <class S>
  static DSP_HD void prepare(const S* params, S* c) {
    c[0] = params[0];
    c[1] = S(1) / params[1] - S(1);
    c[2] = params[2];
    c[3] = params[3];
    c[4] = params[4];
  }

  static constexpr double kDbPerNeper = 8.685889638065037;   // 20 / ln 10
  static constexpr double kFloor = 1e-6;                     // -120 dB: below it a level is silence

  /// Gain in dB that the static curve asks for at `level`, and its slope over the overshoot.
  template <class T>
  static DSP_HD T curve(const T* c, T level, T& slope, T& knee_slope) {
    const T over = level - c[0];
    const T half = T(0.5) * c[2];
    const T into = over + half;                        // how far the level is into the knee
    const T knee = max_(c[2], T(1e-9));                // a hard knee divides by nothing
    const auto below = less(into, T(0));
    const auto above = less(half, over);
    const T in_knee = T(0.5) * into * into / knee;
    const T amount = select(above, over, select(below, T(0), in_knee));
    slope = c[1] * select(above, T(1), select(below, T(0), into / knee));
    knee_slope = c[1] * select(above, T(0), select(below, T(0), T(0.5) * into / knee - in_knee / knee));
    return amount;
  }

  template <class T>
  static DSP_HD T step(const T* c, T* s, T x) {
    const T level = T(kDbPerNeper) * log_(max_(abs_(x), T(kFloor)));
    T slope, knee_slope;
    const T wanted = c[1] * curve(c, level, slope, knee_slope);
    // Less gain is an attack: the smoother falls.
    s[0] = s[0] + select(less(wanted, s[0]), c[3], c[4]) * (wanted - s[0]);
    return exp_(s[0] * T(1 / kDbPerNeper));
  }

  template <class T>
  static DSP_HD T adjoint(const T* c, const T* s, T x, T gy, T* gs, T* gc) {
    const T size = max_(abs_(x), T(kFloor));
    const T level = T(kDbPerNeper) * log_(size);
    T slope, knee_slope;
    const T amount = curve(c, level, slope, knee_slope);
    const T wanted = c[1] * amount;
    const auto attack = less(wanted, s[0]);
    const T coefficient = select(attack, c[3], c[4]);
    const T after = s[0] + coefficient * (wanted - s[0]);
    const T g = gs[0] + gy * exp_(after * T(1 / kDbPerNeper)) * T(1 / kDbPerNeper);
    const T moved = g * (wanted - s[0]);
    gc[3] += select(attack, moved, T(0));
    gc[4] += select(attack, T(0), moved);
    const T gwanted = coefficient * g;
    gs[0] = g - gwanted;
    gc[1] += gwanted * amount;
    gc[0] -= gwanted * slope;
    gc[2] += gwanted * knee_slope;
    const T glevel = gwanted * slope * T(kDbPerNeper) / size;
    const T signed_slope = select(less(x, T(0)), -glevel, glevel);
    return select(less(T(kFloor), abs_(x)), signed_slope, T(0));
  }
};

const Register<Recursion<Compressor>> kCompressor;

}  // namespace
}  // namespace dsp
