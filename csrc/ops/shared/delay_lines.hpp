// The delay lines of one batch item: what they hold, where they are read, and how they are mixed.
#pragma once

#include "ops/shared/interpolation.hpp"
#include "ops/shared/section_lines.hpp"
#include "ops/shared/still_lines.hpp"

namespace dsp {
namespace {

constexpr int kMostLines = 16, kMostSections = 4;  // the Python op refuses more

  /// What both directions share about one batch item.
  template <class T>
  struct DelayLines {
    using Real = typename Traits<T>::Real;
    using Wide = typename Traits<T>::Double;
    std::int64_t row, length, history;
    int lines, sections;
    bool moving, matrix_moves, filters_move;
    Interpolation kind;
    T feedback[kMostLines][kMostLines], c[kMostLines][kMostSections][6];

    DSP_HD DelayLines(std::int64_t r, const Port& x, const Port& delay, const Port& matrix, const Port& sos,
                const Port& past, const Attrs& attrs)
        : row(r), length(x.size(2)), history(past.size(2) - (attrs.value[0] == kAllpass)), lines(int(x.size(1))),
          sections(int(sos.size(2))), moving(delay.size(2) != 1), matrix_moves(matrix.size(3) != 1),
          filters_move(sos.size(4) != 1), kind(Interpolation(attrs.value[0])) {
      for (int i = 0; i < lines; ++i) {
        for (int j = 0; j < lines && !matrix_moves; ++j) feedback[i][j] = matrix.template load<T>(row, i, j, 0);
        for (int k = 0; k < sections && !filters_move; ++k) stage_coefficients<Section>(sos, rows(i), k, 0, c[i][k]);
      }
    }

    /// Line i as a row of the filters' driver.
    DSP_HD Rows rows(int i) const { return {row * lines + i, (row + 1) * lines, lines}; }

    /// Coefficients of section k of line i at sample t.
    DSP_HD const T* at(const Port& sos, int i, int k, std::int64_t t) {
      if (filters_move) stage_coefficients<Section>(sos, rows(i), k, t, c[i][k]);
      return c[i][k];
    }

    /// What line j gives to line i: a * feedback over samples [t, t + n), added to sum.
    DSP_HD void mix(const Port& matrix, int i, int j, std::int64_t t, int n, const T* a, T* sum) const {
      if (matrix_moves) {
        const Series<Real, T> f(matrix, row, i, j);
        for (int m = 0; m < n; ++m) sum[m] += f[t + m] * a[m];
      } else {
        for (int m = 0; m < n; ++m) sum[m] += feedback[i][j] * a[m];
      }
    }

    /// What all lines give to line i.
    DSP_HD void mix_all(const Port& matrix, int i, std::int64_t t, int n, const T (*a)[kChunk], T* sum) const {
      if constexpr (kSideBySide<T>) {
        if (!matrix_moves) return still_mix(feedback[i], 1, lines, a, n, sum);
      }
      for (int j = 0; j < lines; ++j) mix(matrix, i, j, t, n, a[j], sum);
    }

    DSP_HD bool valid_at(double span) const { return span >= 2 && span <= double(history - 2); }

    /// Where line i is read at sample t: the sample before the point, and the way to the next.
    DSP_HD std::int64_t point(const Series<double, Wide>& delay, std::int64_t t, T& f, bool& valid) const {
      const Wide d = delay[moving ? t : 0];
      const double span = primal(d);
      valid = valid_at(span);
      if (!valid) {
        f = T(1);
        return history + t - 3;
      }
      const std::int64_t whole = std::int64_t(span);  // d = whole + rest; the point lies 1 - rest on
      f = cast<T>(Wide(double(whole + 1)) - d);
      return history + t - whole - 1;
    }

    /// The same for an all-pass: the older of the two samples it takes, its coefficient and that one's slope.
    DSP_HD std::int64_t allpass(const Series<double, Wide>& delay, std::int64_t t, T& a, T& slope, bool& valid) const {
      const Wide d = delay[moving ? t : 0];
      valid = valid_at(primal(d));
      Wide wide_a, wide_slope;
      const std::int64_t whole = thiran(valid ? d : Wide(2), wide_a, wide_slope);
      a = cast<T>(wide_a);
      slope = cast<T>(wide_slope);
      return history + t - whole - 1;
    }

    /// Samples from t that can be read before any of them is written.
    DSP_HD int stretch(const Port& delay, std::int64_t t, int most) const {
      double shortest = most + 2;
      for (int i = 0; i < lines; ++i) {
        const Series<double, double> d(delay, row, i);
        for (int s = 0; s < (moving ? most : 1); ++s)
          if (d[moving ? t + s : 0] < shortest) shortest = d[moving ? t + s : 0];
      }
      if (shortest < 3) return 1;
      return int(shortest) - 1 < most ? int(shortest) - 1 : most;
    }

#ifndef __CUDACC__
    /// The same as a network that stands still, if it is one that can be read throughout; `most` samples at once.
    bool still(const Port& delay, StillNetwork<T, kMostLines>& net, int& most) const {
      if (moving || matrix_moves || (sections > 0 && filters_move) || kind == kAllpass) return false;
      net.lines = lines;
      net.apart = true;
      for (int i = 0; i < lines; ++i)
        for (int j = 0; j < lines; ++j) net.apart = net.apart && (i == j || feedback[i][j] == T(0));
      net.history = history;
      net.length = length;
      net.feedback = feedback;
      double shortest = kSpan + 1;
      for (int i = 0; i < lines; ++i) {
        const Series<double, Wide> d(delay, row, i);
        T f;
        bool valid;
        net.place[i] = point(d, 0, f, valid) - 1;
        interpolation(kind == kCubic, f, net.weight[i], net.slope[i]);
        if (!valid) return false;
        if (d[0] < shortest) shortest = d[0];
      }
      most = net.span(shortest);
      return shortest >= 3;
    }
#endif

    /// y of line i at samples [t, t + n); `last` is that at the sample before, and then the one of the last.
    DSP_HD void read(const Port& delay, const Port& lines_past, int i, std::int64_t t, int n, T* y, T& last) const {
      const Series<double, Wide> d(delay, row, i);
      const Track<Real, T> w(lines_past, row, i);
      T f, weight[4], slope[4];
      bool valid;
      if (kind == kAllpass) {
        for (int s = 0; s < n; ++s) {
          const std::int64_t p = allpass(d, t + s, f, slope[0], valid);
          last = y[s] = valid ? w[p] + f * (w[p + 1] - last) : T(Real(NAN));
        }
        return;
      }
      for (int s = 0; s < n;) {
        // A delay that stands still has one set of weights for the whole stretch.
        const std::int64_t at = point(d, t + s, f, valid) - s;
        interpolation(kind == kCubic, f, weight, slope);
        const int end = moving ? s + 1 : n;
        if constexpr (kSideBySide<T>) {
          if (!moving && valid) return still_read(w.value + at - 1, weight, n, y);
        }
        for (; s < end; ++s) {
          const std::int64_t p = at + s;
          y[s] = weight[0] * w[p - 1] + weight[1] * w[p] + (weight[2] * w[p + 1] + weight[3] * w[p + 2]);
          if (!valid) y[s] = T(Real(NAN));
        }
      }
    }
  };

}  // namespace
}  // namespace dsp
