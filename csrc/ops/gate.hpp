// The gain of a gate with hysteresis and hold: it opens when the level passes one threshold, and closes when
// the level has stayed below another for the hold time (U. Zoelzer (editor), "DAFX: Digital Audio Effects",
// 2011, section 4.2.3). Levels are straight lines between samples, so a threshold is passed and a hold ends
// at some point between two of them; the gain goes up by the attack for the open share of a sample and down
// by the release for the rest. That point moves with thresholds, hold and level: they have gradients.
#pragma once

#include "dsp/recursion.hpp"
#include "ops/shared/knee.hpp"

namespace dsp {
namespace {

struct Gate {
  static constexpr const char* kName = "gate";
  // level that opens, level below which it closes, gain when closed, attack, release, hold in samples
  static constexpr int kParams = 6, kCoefs = 6;
  // gain; 1 where open; samples below the closing level; level before
  static constexpr int kState = 4;
  static constexpr bool kWide = false, kLinear = false, kReplays = true;

  template <class S>
  static DSP_HD void prepare(const S* params, S* c) {
    for (int i = 0; i < kParams; ++i) c[i] = params[i];
  }

  /// What happens in one sample.
  template <class T>
  struct Moment {
    T level, rise, fall;  // and the slopes of the level, up and down
    T count, share;       // samples below the closing level, and the share of this one that is open

    DSP_HD Moment(const T* c, const T* s, const T& x) {
      level = abs_(x);
      const T up = level - s[3], down = s[3] - level;
      rise = select(less(T(0), up), up, T(1));
      fall = select(less(T(0), down), down, T(1));
      const T since_open = select(less(s[3], c[0]), (level - c[0]) / rise, T(1));
      const T since_close = select(less(s[3], c[1]), T(1), (c[1] - level) / fall);
      count = select(less(level, c[1]), s[2] + since_close, T(0));
      const T kept = T(1) - after_hold(count, c[5]);
      const T opened = select(less(level, c[0]), T(0), since_open);
      share = select(less(T(0.5), s[1]), select(less(level, c[1]), kept, T(1)), opened);
    }
  };

  template <class T>
  static DSP_HD T step(const T* c, T* s, T x) {
    const Moment<T> now(c, s, x);
    const auto open = less(T(0.5), s[1]);
    const T closed = T(1) - now.share;
    s[0] = s[0] + now.share * c[3] * (T(1) - s[0]) + closed * c[4] * (c[2] - s[0]);
    // An open gate stays so while all of the sample is open, a closed one opens on any passing.
    const T stays = select(less(now.share, T(1)), T(0), T(1)), opens = select(less(now.level, c[0]), T(0), T(1));
    s[2] = select(open, now.count, T(0));
    s[1] = select(open, stays, opens);
    s[3] = now.level;
    return s[0];
  }

  template <class T>
  static DSP_HD T adjoint(const T* c, const T* s, T x, T gy, T* gs, T* gc) {
    const Moment<T> now(c, s, x);
    const auto open = less(T(0.5), s[1]), low = less(now.level, c[1]), quiet = less(now.level, c[0]);
    const T closed = T(1) - now.share, up = T(1) - s[0], down = c[2] - s[0];
    const T g = gs[0] + gy;
    gc[3] += g * now.share * up;
    gc[4] += g * closed * down;
    gc[2] += g * closed * c[4];
    gs[0] = g - g * (now.share * c[3] + closed * c[4]);
    const T gshare = g * (c[3] * up - c[4] * down);
    // An open gate: the share is what the hold leaves.
    const T ghold = gshare * after_hold_slope(now.count, c[5]);
    gc[5] += select(open, select(low, ghold, T(0)), T(0));
    const T gcount = select(open, select(low, gs[2] - ghold, T(0)), T(0));
    const T gfall = select(less(s[3], c[1]), T(0), gcount / now.fall);
    gc[1] += gfall;
    // A closed one: the share is what follows the passing.
    const T opened = select(open, T(0), select(quiet, T(0), gshare));
    const T grise = select(less(s[3], c[0]), opened / now.rise, T(0));
    gc[0] -= grise;
    const T glevel = gs[3] + gfall * (c[1] - s[3]) / now.fall + grise * (c[0] - s[3]) / now.rise;
    gs[3] = grise * (now.level - c[0]) / now.rise - gfall * (c[1] - now.level) / now.fall;
    gs[2] = gcount;
    gs[1] = T(0);
    return select(less(x, T(0)), -glevel, glevel);
  }
};

const Register<Recursion<Gate>> kGate;

}  // namespace
}  // namespace dsp
