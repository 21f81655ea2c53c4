// The gain computer of a feed-forward compressor in one pass: level in dB, static curve with a soft
// knee (a parabola), attack and release smoothing of the gain in dB, back to a linear gain. After J.
// Reiss, D. Giannoulis et al., "Digital Dynamic Range Compressor Design", JAES 60(6), 2012, eq. 4 and
// the branching smoother. `compressor_held` waits with the release until the gain has not fallen for the
// hold time.
#pragma once

#include "dsp/recursion.hpp"
#include "ops/shared/knee.hpp"

namespace dsp {
namespace {

struct Compressor {
  static constexpr const char* kName = "compressor";
  // threshold_db, ratio, knee_db, attack, release -> threshold_db, 1/ratio - 1, knee_db, attack, release
  static constexpr int kParams = 5, kCoefs = 5, kState = 1;
  static constexpr bool kWide = false, kLinear = false, kReplays = true, kSettles = true;

  template <class S>
  static DSP_HD void prepare(const S* params, S* c) {
    c[0] = params[0];
    c[1] = S(1) / params[1] - S(1);
    c[2] = params[2];
    c[3] = params[3];
    c[4] = params[4];
  }

  static constexpr double kFloor = 1e-6;                     // -120 dB: below it a level is silence

  template <class T>
  static DSP_HD T listen(const T* c, T x) {
    const T level = T(kDbPerNeper) * log_(max_(abs_(x), T(kFloor)));
    T slope, knee_slope;
    return c[1] * knee_curve(c, level, slope, knee_slope);
  }
  /// Less gain is an attack: the smoother falls.
  template <class T>
  static DSP_HD T follow(const T* c, T* s, T wanted) {
    return s[0] = s[0] + select(less(wanted, s[0]), c[3], c[4]) * (wanted - s[0]);
  }
  template <class T>
  static DSP_HD T speak(T gain_db) { return exp_(gain_db * T(1 / kDbPerNeper)); }

  template <class T>
  static DSP_HD T step(const T* c, T* s, T x) { return speak(follow(c, s, listen(c, x))); }

  template <class T>
  static DSP_HD T adjoint(const T* c, const T* s, T x, T gy, T* gs, T* gc) {
    const T size = max_(abs_(x), T(kFloor));
    const T level = T(kDbPerNeper) * log_(size);
    T slope, knee_slope;
    const T amount = knee_curve(c, level, slope, knee_slope);
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

/// With hold, in samples; the second state counts samples since the gain last fell.
struct HeldCompressor {
  static constexpr const char* kName = "compressor_held";
  static constexpr int kParams = 6, kCoefs = 6, kState = 2;
  static constexpr bool kWide = false, kLinear = false, kReplays = true;

  template <class S>
  static DSP_HD void prepare(const S* params, S* c) {
    Compressor::prepare(params, c);
    c[5] = params[5];
  }

  template <class T>
  static DSP_HD T listen(const T* c, T x) { return Compressor::listen(c, x); }
  template <class T>
  static DSP_HD T follow(const T* c, T* s, T wanted) {
    const auto attack = less(wanted, s[0]);
    const T count = s[1] + T(1);
    s[0] = s[0] + select(attack, c[3], c[4] * after_hold(count, c[5])) * (wanted - s[0]);
    s[1] = select(attack, T(0), count);
    return s[0];
  }
  template <class T>
  static DSP_HD T speak(T gain_db) { return Compressor::speak(gain_db); }

  template <class T>
  static DSP_HD T step(const T* c, T* s, T x) { return speak(follow(c, s, listen(c, x))); }

  template <class T>
  static DSP_HD T adjoint(const T* c, const T* s, T x, T gy, T* gs, T* gc) {
    const T size = max_(abs_(x), T(Compressor::kFloor));
    const T level = T(kDbPerNeper) * log_(size);
    T slope, knee_slope;
    const T amount = knee_curve(c, level, slope, knee_slope);
    const T wanted = c[1] * amount;
    const auto attack = less(wanted, s[0]);
    const T count = s[1] + T(1), share = after_hold(count, c[5]);
    const T coefficient = select(attack, c[3], c[4] * share);
    const T after = s[0] + coefficient * (wanted - s[0]);
    const T g = gs[0] + gy * exp_(after * T(1 / kDbPerNeper)) * T(1 / kDbPerNeper);
    const T moved = g * (wanted - s[0]);
    gc[3] += select(attack, moved, T(0));
    gc[4] += select(attack, T(0), moved * share);
    const T gcount = moved * c[4] * after_hold_slope(count, c[5]);
    gc[5] -= select(attack, T(0), gcount);
    gs[1] = select(attack, T(0), gs[1] + gcount);
    const T gwanted = coefficient * g;
    gs[0] = g - gwanted;
    gc[1] += gwanted * amount;
    gc[0] -= gwanted * slope;
    gc[2] += gwanted * knee_slope;
    const T glevel = gwanted * slope * T(kDbPerNeper) / size;
    const T signed_slope = select(less(x, T(0)), -glevel, glevel);
    return select(less(T(Compressor::kFloor), abs_(x)), signed_slope, T(0));
  }
};

const Register<Recursion<Compressor>> kCompressor;
const Register<Recursion<HeldCompressor>> kHeldCompressor;

}  // namespace
}  // namespace dsp
