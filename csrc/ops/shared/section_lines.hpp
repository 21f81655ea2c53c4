// Second-order sections in series, some for each of several lines that are filtered side by side. A
// recursion waits for its last sample; with the lines on the lanes of a register, all wait together.
#pragma once

#include "ops/shared/section.hpp"

namespace dsp {
namespace {

/// All sections of one line, or of lines on lanes, two at a time: the second works on a sample while the
/// first takes the next.
template <class T>
DSP_HD void cascade(int sections, int n, const T (*coefs)[Section::kCoefs], T (*states)[Section::kState], T* signal) {
  int k = 0;
  for (; k + 2 <= sections; k += 2) Recursion<Section>::advance<2>(coefs + k, states + k, n, signal);
  for (; k < sections; ++k) Recursion<Section>::advance<1>(coefs + k, states + k, n, signal);
}

#ifndef __CUDACC__
/// The sections of up to W lines, a line a lane. Coefficients and states stay on the lanes from run to run.
template <int W, class T, int kMost>
struct LineLanes {
  using Real = typename Traits<T>::Real;
  using Many = std::conditional_t<std::is_arithmetic_v<T>, Pack<Real, W>, Dual<Pack<Real, W>, 1>>;
  int lines, sections;
  Many c[kMost][Section::kCoefs], s[kMost][Section::kState];

  LineLanes(int lines_, int sections_, const T (*coefs)[kMost][Section::kCoefs], const T (*states)[kMost][Section::kState])
      : lines(lines_), sections(sections_) {
    for (int l = 0; l < W; ++l) {
      const int line = of(l);
      for (int k = 0; k < sections; ++k) {
        for (int i = 0; i < Section::kCoefs; ++i) set_lane(c[k][i], l, coefs[line][k][i]);
        for (int i = 0; i < Section::kState; ++i) set_lane(s[k][i], l, states[line][k][i]);
      }
    }
  }
  /// Lanes without a line repeat one.
  int of(int l) const { return l < lines ? l : lines - 1; }

  /// Samples [first, first + n) of every line, at most kChunk of them.
  template <int kRow>
  void run(int first, int n, T (*signal)[kRow]) {
    Many tile[kChunk];
    T spare[kChunk], *rows[W];
    for (int l = 0; l < W; ++l) rows[l] = signal[of(l)] + first;
    if constexpr (std::is_arithmetic_v<T>) {
      interleave(rows, 1, n, tile, ValuePart{});
    } else {
      for (int m = 0; m < n; ++m)
        for (int l = 0; l < W; ++l) set_lane(tile[m], l, rows[l][m]);
    }
    cascade(sections, n, c, s, tile);
    for (int l = lines; l < W; ++l) rows[l] = spare;
    if constexpr (std::is_arithmetic_v<T>) {
      deinterleave(rows, 1, n, tile, ValuePart{});
    } else {
      for (int m = 0; m < n; ++m)
        for (int l = 0; l < lines; ++l) rows[l][m] = lane(tile[m], l);
    }
  }
  void states(T (*to)[kMost][Section::kState]) const {
    for (int j = 0; j < lines; ++j)
      for (int k = 0; k < sections; ++k)
        for (int i = 0; i < Section::kState; ++i) to[j][k][i] = lane(s[k][i], j);
  }
};

/// Hands `use` the lanes that fit so many lines.
template <class T, int kMost, class Use>
void with_line_lanes(int lines, int sections, const T (*coefs)[kMost][Section::kCoefs],
                     const T (*states)[kMost][Section::kState], const Use& use) {
  if (lines > 8) return use(LineLanes<16, T, kMost>(lines, sections, coefs, states));
  if (lines > 4) return use(LineLanes<8, T, kMost>(lines, sections, coefs, states));
  use(LineLanes<4, T, kMost>(lines, sections, coefs, states));
}
#endif

/// Passes n samples of every line through its sections, from `states`, which become those after.
template <class T, int kMost>
DSP_HD void filter_lines(int lines, int sections, int n, const T (*coefs)[kMost][Section::kCoefs],
                         T (*states)[kMost][Section::kState], T (*signal)[kChunk]) {
#ifndef __CUDACC__
  if (sections > 0 && n >= 8 && lines > 1)
    return with_line_lanes(lines, sections, coefs, states, [&](auto lanes) {
      lanes.run(0, n, signal);
      lanes.states(states);
    });
#endif
  for (int j = 0; j < lines; ++j) cascade(sections, n, coefs[j], states[j], signal[j]);
}

}  // namespace
}  // namespace dsp
