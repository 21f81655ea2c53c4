// The gain of a feedback compressor: the detector hears what left the compressor a sample ago. The mean
// square of the output is smoothed, its level meets a curve (1 - ratio) times the overshoot, which in the
// closed loop gives the ratio, and the gain is smoothed in dB with attack, hold and release (D. Giannoulis,
// M. Massberg, J. Reiss, "Digital Dynamic Range Compressor Design", JAES 60(6), 2012, section 1.3). The loop
// quickens the smoother by the ratio; a coefficient above 1 / ratio would overshoot, and is held there.
#pragma once

#include "dsp/recursion.hpp"
#include "ops/shared/knee.hpp"

namespace dsp {
namespace {

struct FeedbackCompressor {
  static constexpr const char* kName = "feedback_compressor";
  // threshold_db, ratio, knee_db, attack, release, hold, averaging
  static constexpr int kParams = 7, kCoefs = 7;
  // gain in dB, samples since it last fell, mean square of the output
  static constexpr int kState = 3;
  static constexpr bool kWide = false, kLinear = false, kReplays = true;
  static constexpr double kFloor = 1e-12;  // -120 dB, squared

  template <class S>
  static DSP_HD void prepare(const S* params, S* c) {
    const S most = S(1) / params[1];
    c[0] = params[0];
    c[1] = S(1) - params[1];
    c[2] = params[2];
    c[3] = min_(params[3], most);
    c[4] = min_(params[4], most);
    c[5] = params[5];
    c[6] = params[6];
  }
  template <class S>
  static DSP_HD void unprepare(const S* params, const S* gc, S* gp) {
    const S most = S(1) / params[1], zero(0);
    const auto attack_capped = less(most, params[3]), release_capped = less(most, params[4]);
    const S gmost = select(attack_capped, gc[3], zero) + select(release_capped, gc[4], zero);
    gp[0] = gc[0];
    gp[1] = -gc[1] - gmost * most * most;
    gp[2] = gc[2];
    gp[3] = select(attack_capped, zero, gc[3]);
    gp[4] = select(release_capped, zero, gc[4]);
    gp[5] = gc[5];
    gp[6] = gc[6];
  }

  template <class T>
  static DSP_HD T step(const T* c, T* s, T x) {
    const T level = T(0.5 * kDbPerNeper) * log_(max_(s[2], T(kFloor)));
    T slope, knee_slope;
    const T wanted = c[1] * knee_curve(c, level, slope, knee_slope);
    const auto attack = less(wanted, s[0]);
    const T count = s[1] + T(1);
    s[0] = s[0] + select(attack, c[3], c[4] * after_hold(count, c[5])) * (wanted - s[0]);
    s[1] = select(attack, T(0), count);
    const T gain = exp_(s[0] * T(1 / kDbPerNeper)), out = gain * x;
    s[2] = s[2] + c[6] * (out * out - s[2]);
    return gain;
  }

  template <class T>
  static DSP_HD T adjoint(const T* c, const T* s, T x, T gy, T* gs, T* gc) {
    const T size = max_(s[2], T(kFloor));
    const T level = T(0.5 * kDbPerNeper) * log_(size);
    T slope, knee_slope;
    const T amount = knee_curve(c, level, slope, knee_slope);
    const T wanted = c[1] * amount;
    const auto attack = less(wanted, s[0]);
    const T count = s[1] + T(1), share = after_hold(count, c[5]);
    const T coefficient = select(attack, c[3], c[4] * share);
    const T gain = exp_((s[0] + coefficient * (wanted - s[0])) * T(1 / kDbPerNeper)), out = gain * x;
    gc[6] += gs[2] * (out * out - s[2]);
    const T gout = T(2) * c[6] * gs[2] * out;
    const T ggain = gy + gout * x;
    const T g = gs[0] + ggain * gain * T(1 / kDbPerNeper);
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
    const T gsize = gwanted * slope * T(0.5 * kDbPerNeper) / size;
    gs[2] = gs[2] - c[6] * gs[2] + select(less(T(kFloor), s[2]), gsize, T(0));
    return gout * gain;
  }
};

const Register<Recursion<FeedbackCompressor>> kFeedbackCompressor;

}  // namespace
}  // namespace dsp
