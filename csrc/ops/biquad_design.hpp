// From corner, quality and gain to a second-order section, after R. Bristow-Johnson's Audio EQ
// Cookbook. One template: numbers give the section, duals its derivatives, a plug-in calls it too.
#pragma once

#include "dsp/op.hpp"

namespace dsp {
namespace {

enum class Shape : std::int64_t { kLowpass, kHighpass, kBandpass, kNotch, kAllpass, kPeak, kLowshelf, kHighshelf };

/// `turns` is the corner in cycles per sample; `gain_db` counts for peak and shelves alone.
template <class S>
DSP_HD void cookbook(Shape shape, const S& turns, const S& q, const S& gain_db, S* sos) {
  const S w = S(6.283185307179586) * turns;
  const S cosine = cos_(w), alpha = sin_(w) / (S(2) * q);
  const S amp = exp_(gain_db * S(0.05756462732485115));  // 10^(gain_db / 40)
  const S one(1), two(2);
  switch (shape) {
    case Shape::kLowpass:
    case Shape::kHighpass: {
      const S edge = shape == Shape::kLowpass ? one - cosine : one + cosine;
      sos[0] = sos[2] = edge / two;
      sos[1] = shape == Shape::kLowpass ? edge : -edge;
      break;
    }
    case Shape::kBandpass:  // 0 dB at the centre
      sos[0] = alpha;
      sos[1] = S(0);
      sos[2] = -alpha;
      break;
    case Shape::kNotch:
      sos[0] = sos[2] = one;
      sos[1] = -two * cosine;
      break;
    case Shape::kAllpass:
      sos[0] = one - alpha;
      sos[1] = -two * cosine;
      sos[2] = one + alpha;
      break;
    case Shape::kPeak:
      sos[0] = one + alpha * amp;
      sos[1] = -two * cosine;
      sos[2] = one - alpha * amp;
      sos[3] = one + alpha / amp;
      sos[4] = -two * cosine;
      sos[5] = one - alpha / amp;
      return;
    case Shape::kLowshelf:
    case Shape::kHighshelf: {
      // The high shelf is the low shelf mirrored about half the Nyquist frequency.
      const S side = shape == Shape::kLowshelf ? cosine : -cosine;
      const S sign = shape == Shape::kLowshelf ? one : -one;
      const S plus = amp + one, minus = amp - one, root = two * sqrt_(amp) * alpha;
      sos[0] = amp * (plus - minus * side + root);
      sos[1] = sign * two * amp * (minus - plus * side);
      sos[2] = amp * (plus - minus * side - root);
      sos[3] = plus + minus * side + root;
      sos[4] = -sign * two * (minus + plus * side);
      sos[5] = plus + minus * side - root;
      return;
    }
  }
  sos[3] = one + alpha;
  sos[4] = -two * cosine;
  sos[5] = one - alpha;
}

/// The same divided by a0, as SciPy wants it.
template <class S>
DSP_HD void biquad(Shape shape, const S& turns, const S& q, const S& gain_db, S* sos) {
  cookbook(shape, turns, q, gain_db, sos);
  const S inverse = S(1) / sos[3];
  for (int i = 0; i < 6; ++i) sos[i] = sos[i] * inverse;
  sos[3] = S(1);
}

struct BiquadDesign {
  static constexpr const char* kName = "biquad_design";
  static constexpr int kArguments = 1, kResults = 1, kWorkspaces = 0, kScratches = 0;
  static constexpr bool kLanes = false, kWide = true;

  struct Forward {
    static constexpr int kPorts = 2;
    Port controls, sos;  // (b, 3) and (b, 6)
    Attrs attrs;         // shape

    std::int64_t rows() const { return controls.size(0); }
    std::int64_t work() const { return 64 * rows(); }

    template <class T>
    DSP_HD void run(std::int64_t row, std::int64_t) const {
      T out[6] = {};
      biquad(Shape(attrs.value[0]), controls.load<T>(row, 0), controls.load<T>(row, 1),
             controls.load<T>(row, 2), out);
      for (int i = 0; i < 6; ++i) sos.store(out[i], row, i);
    }
  };

  struct Backward {
    static constexpr int kPorts = 3;
    Port controls, gsos, gcontrols;
    Attrs attrs;

    std::int64_t rows() const { return controls.size(0); }
    std::int64_t work() const { return 256 * rows(); }

    template <class T>
    DSP_HD void run(std::int64_t row, std::int64_t) const {
      Dual<T, 3> in[3], out[6];
      for (int i = 0; i < 3; ++i) {
        in[i].v = controls.load<T>(row, i);
        in[i].d[i] = T(1);
      }
      biquad(Shape(attrs.value[0]), in[0], in[1], in[2], out);
      for (int i = 0; i < 3; ++i) {
        T sum(0);
        for (int j = 0; j < 6; ++j) sum += out[j].d[i] * gsos.load<T>(row, j);
        gcontrols.store(sum, row, i);
      }
    }
  };
};

const Register<BiquadDesign> kBiquadDesign;

}  // namespace
}  // namespace dsp
