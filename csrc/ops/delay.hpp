// Coupled delay lines: y_i[t] = w_i(t - d_i[t]), w_i[t] = x_i[t] + sum_j feedback[i][j] (loop_j * y_j)[t],
// with fractional delays that may move and second-order sections in the loop. One line is an echo, two
// crossed ones a ping-pong, eight with an orthogonal matrix a reverberator (J.-M. Jot and A. Chaigne,
// "Digital Delay Networks for Designing Artificial Reverberators", AES 90, 1991). Reading between
// samples is linear or third-order Lagrange. No output depends on an input less than two samples old, so
// the lines are worked on in stretches of the shortest delay, with time on the vector registers.
#pragma once

#include "dsp/op.hpp"
#include "ops/shared/section.hpp"

namespace dsp {
namespace {

/// The four weights around a point `f` in (0, 1] of the way from sample n to n + 1, for n - 1 ... n + 2,
/// and their slopes in f.
template <class T>
DSP_HD void interpolation(bool cubic, const T& f, T* weight, T* slope) {
  const T one(1), two(2), half(0.5), sixth(1.0 / 6);
  if (!cubic) {
    weight[0] = weight[3] = slope[0] = slope[3] = T(0);
    weight[1] = one - f;
    weight[2] = f;
    slope[1] = -one;
    slope[2] = one;
    return;
  }
  weight[0] = -sixth * f * (f - one) * (f - two);
  weight[1] = half * (f + one) * (f - one) * (f - two);
  weight[2] = -half * f * (f + one) * (f - two);
  weight[3] = sixth * f * (f + one) * (f - one);
  slope[0] = -sixth * (T(3) * f * f - T(6) * f + two);
  slope[1] = half * (T(3) * f * f - T(4) * f - one);
  slope[2] = -half * (T(3) * f * f - two * f - two);
  slope[3] = sixth * (T(3) * f * f - one);
}

struct Delay {
  static constexpr const char* kName = "delay";
  static constexpr int kArguments = 6, kResults = 3, kWorkspaces = 2, kScratches = 2;
  static constexpr bool kLanes = false, kWide = false;
  static constexpr int kMaxLines = 16, kMaxSections = 4;  // the Python op refuses more

  /// What both directions share about one batch item.
  template <class T>
  struct Item {
    using Real = typename Traits<T>::Real;
    using Wide = typename Traits<T>::Double;
    std::int64_t row, length, history;
    int lines, sections;
    bool moving, matrix_moves, filters_move, cubic;
    T feedback[kMaxLines][kMaxLines], c[kMaxLines][kMaxSections][6];

    DSP_HD Item(std::int64_t r, const Port& x, const Port& delay, const Port& matrix, const Port& sos,
                const Port& past, const Attrs& attrs)
        : row(r), length(x.size(2)), history(past.size(2)), lines(int(x.size(1))),
          sections(int(sos.size(2))), moving(delay.size(2) != 1), matrix_moves(matrix.size(3) != 1),
          filters_move(sos.size(4) != 1), cubic(attrs.value[0] != 0) {
      for (int i = 0; i < lines; ++i) {
        for (int j = 0; j < lines && !matrix_moves; ++j) feedback[i][j] = matrix.template load<T>(row, i, j, 0);
        for (int k = 0; k < sections && !filters_move; ++k) Recursion<Section>::coefficients(sos, rows(i), k, 0, c[i][k]);
      }
    }

    /// Line i as a row of the filters' driver.
    DSP_HD Rows rows(int i) const { return {row * lines + i, (row + 1) * lines, lines}; }

    /// Coefficients of section k of line i at sample t.
    DSP_HD const T* at(const Port& sos, int i, int k, std::int64_t t) {
      if (filters_move) Recursion<Section>::coefficients(sos, rows(i), k, t, c[i][k]);
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

    /// Where line i is read at sample t: the sample before the point, and the way to the next.
    DSP_HD std::int64_t point(const Series<double, Wide>& delay, std::int64_t t, T& f, bool& valid) const {
      const Wide d = delay[moving ? t : 0];
      const double span = primal(d);
      valid = span >= 2 && span <= double(history - 2);
      if (!valid) {
        f = T(1);
        return history + t - 3;
      }
      const std::int64_t whole = std::int64_t(span);  // d = whole + rest; the point lies 1 - rest on
      f = cast<T>(Wide(double(whole + 1)) - d);
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

    /// y of line i at samples [t, t + n).
    DSP_HD void read(const Port& delay, const Port& lines_past, int i, std::int64_t t, int n, T* y) const {
      const Series<double, Wide> d(delay, row, i);
      const Series<Real, T> w(lines_past, row, i);
      T f, weight[4], slope[4];
      bool valid = true;
      std::int64_t at = 0;
      for (int s = 0; s < n; ++s) {
        if (s == 0 || moving) {
          at = point(d, t + s, f, valid) - s;
          interpolation(cubic, f, weight, slope);
        }
        const std::int64_t p = at + s;
        y[s] = valid ? weight[0] * w[p - 1] + weight[1] * w[p] + (weight[2] * w[p + 1] + weight[3] * w[p + 2])
                     : T(Real(NAN));
      }
    }
  };

  /// Arguments x (b, l, t), delay (b, l, n), feedback (b, l, l, n), loop sections (b, l, k, 6, n), past
  /// (b, l, d) and filter states (b, l, k, 2); results y, past after, states after; workspaces all of
  /// the lines (b, l, d + t) and the filter states at every chunk.
  struct Forward {
    static constexpr int kPorts = 11;
    Port x, delay, feedback, sos, past, state, y, past_out, state_out, line, kept;
    Attrs attrs;

    std::int64_t rows() const { return x.size(0); }
    std::int64_t work() const { return rows() * x.size(2) * x.size(1) * (4 + x.size(1) + 4 * sos.size(2)); }

    template <class T>
    DSP_HD void run(std::int64_t row, std::int64_t) const {
      using Real = typename Traits<T>::Real;
      Item<T> item(row, x, delay, feedback, sos, past, attrs);
      const int lines = item.lines, sections = item.sections;
      T s[kMaxLines][kMaxSections][2], u[kMaxLines][kChunk];
      for (int i = 0; i < lines; ++i) {
        const Series<Real, T> from(past, row, i), to(line, row, i);
        for (std::int64_t p = 0; p < item.history; ++p) to.put(p, from[p]);
        for (int k = 0; k < sections; ++k)
          for (int j = 0; j < 2; ++j) s[i][k][j] = state.load<T>(row, i, k, j);
      }
      for (std::int64_t t0 = 0; t0 < item.length; t0 += kChunk) {
        for (int i = 0; i < lines; ++i)
          for (int k = 0; k < sections; ++k)
            for (int j = 0; j < 2; ++j) kept.store(s[i][k][j], row, i, t0 / kChunk, k, j);
        const std::int64_t end = t0 + kChunk < item.length ? t0 + kChunk : item.length;
        for (std::int64_t t = t0; t < end;) {
          const int n = item.stretch(delay, t, int(end - t));
          for (int j = 0; j < lines; ++j) {
            item.read(delay, line, j, t, n, u[j]);
            const Series<Real, T> out(y, row, j);
            for (int m = 0; m < n; ++m) out.put(t + m, u[j][m]);
            for (int k = 0; k < sections; ++k)
              for (int m = 0; m < n; ++m) u[j][m] = Section::step(item.at(sos, j, k, t + m), s[j][k], u[j][m]);
          }
          for (int i = 0; i < lines; ++i) {
            const Series<Real, T> in(x, row, i), to(line, row, i);
            T w[kChunk];
            for (int m = 0; m < n; ++m) w[m] = in[t + m];
            for (int j = 0; j < lines; ++j) item.mix(feedback, i, j, t, n, u[j], w);
            for (int m = 0; m < n; ++m) to.put(item.history + t + m, w[m]);
          }
          t += n;
        }
      }
      for (int i = 0; i < lines; ++i) {
        const Series<Real, T> from(line, row, i), to(past_out, row, i);
        for (std::int64_t p = 0; p < item.history; ++p) to.put(p, from[item.length + p]);
        for (int k = 0; k < sections; ++k)
          for (int j = 0; j < 2; ++j) state_out.store(s[i][k][j], row, i, k, j);
      }
    }
  };

  /// Scratches: the adjoint of the lines (b, l, d + t) and a chunk's trajectories (b, l, (1 + 3 k) kChunk).
  struct Backward {
    static constexpr int kPorts = 19;
    Port x, delay, feedback, sos, past, state, line, kept, owed, trail, gy, gpast_out, gstate_out, gx, gdelay,
        gfeedback, gsos, gpast, gstate;
    Attrs attrs;

    std::int64_t rows() const { return x.size(0); }
    std::int64_t work() const { return 3 * rows() * x.size(2) * x.size(1) * (4 + x.size(1) + 4 * sos.size(2)); }

    template <class T>
    DSP_HD void run(std::int64_t row, std::int64_t) const {
      using Real = typename Traits<T>::Real;
      using Wide = typename Traits<T>::Double;
      Item<T> item(row, x, delay, feedback, sos, past, attrs);
      const int lines = item.lines, sections = item.sections;
      const std::int64_t history = item.history, length = item.length;
      T gs[kMaxLines][kMaxSections][2], gu[kMaxLines][kChunk];
      Wide gmatrix[kMaxLines][kMaxLines], gc[kMaxLines][kMaxSections][6], gd[kMaxLines];
      for (int i = 0; i < lines; ++i) {
        const Series<Real, T> after(gpast_out, row, i), g(owed, row, i);
        for (std::int64_t p = 0; p < length; ++p) g.put(p, T(0));
        for (std::int64_t p = 0; p < history; ++p) g.put(length + p, after[p]);
        gd[i] = Wide(0);
        for (int j = 0; j < lines; ++j) gmatrix[i][j] = Wide(0);
        for (int k = 0; k < sections; ++k) {
          for (int j = 0; j < 2; ++j) gs[i][k][j] = gstate_out.load<T>(row, i, k, j);
          for (int j = 0; j < 6; ++j) gc[i][k][j] = Wide(0);
        }
      }
      const std::int64_t last = length > 0 ? (length - 1) / kChunk * kChunk : -1;
      for (std::int64_t t0 = last; t0 >= 0; t0 -= kChunk) {
        const std::int64_t end = t0 + kChunk < length ? t0 + kChunk : length;
        for (int j = 0; j < lines; ++j) recompute(item, j, t0, int(end - t0));
        // The stretches of the forward pass, last first; the adjoint of a stretch reaches only earlier ones.
        int starts[kChunk + 1], count = 0;
        for (int m = 0; t0 + m < end; m += item.stretch(delay, t0 + m, int(end - t0) - m)) starts[count++] = m;
        starts[count] = int(end - t0);
        for (int b = count - 1; b >= 0; --b) {
          const int m0 = starts[b], n = starts[b + 1] - m0;
          for (int j = 0; j < lines; ++j)
            for (int m = 0; m < n; ++m) gu[j][m] = T(0);
          for (int i = 0; i < lines; ++i) {
            const Series<Real, T> g(owed, row, i), out(gx, row, i);
            T gw[kChunk];
            for (int m = 0; m < n; ++m) gw[m] = g[history + t0 + m0 + m];
            for (int m = 0; m < n; ++m) out.put(t0 + m0 + m, gw[m]);
            for (int j = 0; j < lines; ++j) {
              const Series<Real, T> u(trail, row, j);
              item.mix(feedback, i, j, t0 + m0, n, gw, gu[j]);
              if (item.matrix_moves) {
                const Series<Real, T> gf(gfeedback, row, i, j);
                for (int m = 0; m < n; ++m) gf.put(t0 + m0 + m, gw[m] * u[m0 + m]);
              } else {
                T sum(0);
                for (int m = 0; m < n; ++m) sum += gw[m] * u[m0 + m];
                gmatrix[i][j] += cast<Wide>(sum);
              }
            }
          }
          for (int j = 0; j < lines; ++j) {
            const Series<Real, T> t_(trail, row, j);
            for (int k = sections - 1; k >= 0; --k) {
              T sum[6] = {T(0), T(0), T(0), T(0), T(0), T(0)};
              for (int m = n - 1; m >= 0; --m) {
                const std::int64_t at = (1 + 3 * k) * kChunk + m0 + m;
                const T before[2] = {t_[at], t_[at + kChunk]};
                const T* c = item.at(sos, j, k, t0 + m0 + m);
                gu[j][m] = Section::adjoint(c, before, t_[at + 2 * kChunk], gu[j][m], gs[j][k], sum);
                if (item.filters_move) {
                  section_gradient(item, j, k, t0 + m0 + m, sum);
                  for (T& q : sum) q = T(0);
                }
              }
              for (int q = 0; q < 6; ++q) gc[j][k][q] += cast<Wide>(sum[q]);
            }
            spread(item, j, t0 + m0, n, gu[j], gd[j]);
          }
        }
      }
      for (int i = 0; i < lines; ++i) {
        const Series<Real, T> g(owed, row, i), out(gpast, row, i);
        for (std::int64_t p = 0; p < history; ++p) out.put(p, g[p]);
        if (!item.moving) gdelay.store(gd[i], row, i, 0);
        if (!item.matrix_moves)
          for (int j = 0; j < lines; ++j) gfeedback.store(gmatrix[i][j], row, i, j, 0);
        for (int k = 0; k < sections; ++k) {
          for (int j = 0; j < 2; ++j) gstate.store(gs[i][k][j], row, i, k, j);
          if (!item.filters_move) section_gradient(item, i, k, 0, gc[i][k]);
        }
      }
    }

    /// The gradient of a section's parameters at sample t from that of its coefficients.
    template <class T, class Number>
    DSP_HD void section_gradient(const Item<T>& item, int j, int k, std::int64_t t, const Number* gcoefs) const {
      using Wide = typename Traits<T>::Double;
      if (!gsos.given() && !gsos.tangent.data) return;
      Wide wide[6];
      for (int q = 0; q < 6; ++q) wide[q] = cast<Wide>(gcoefs[q]);
      Recursion<Section>::parameter_gradient(sos, gsos, item.rows(j), k, t, wide);
    }

    /// Fills line j's trail for samples [t0, t0 + n): what it sends to the matrix, then for each section
    /// its states and its input.
    template <class T>
    DSP_HD void recompute(Item<T>& item, int j, std::int64_t t0, int n) const {
      using Real = typename Traits<T>::Real;
      const Series<Real, T> out(trail, item.row, j);
      T u[kChunk];
      item.read(delay, line, j, t0, n, u);
      for (int k = 0; k < item.sections; ++k) {
        T s[2] = {kept.load<T>(item.row, j, t0 / kChunk, k, 0), kept.load<T>(item.row, j, t0 / kChunk, k, 1)};
        for (int m = 0; m < n; ++m) {
          const std::int64_t at = (1 + 3 * k) * kChunk + m;
          out.put(at, s[0]);
          out.put(at + kChunk, s[1]);
          out.put(at + 2 * kChunk, u[m]);
          u[m] = Section::step(item.at(sos, j, k, t0 + m), s, u[m]);
        }
      }
      for (int m = 0; m < n; ++m) out.put(m, u[m]);
    }

    /// Hands the adjoint of what line j gave at [t, t + n) to the samples it was read from, and to the delay.
    template <class T, class Wide>
    DSP_HD void spread(const Item<T>& item, int j, std::int64_t t, int n, const T* gu, Wide& gd) const {
      using Real = typename Traits<T>::Real;
      const Series<double, Wide> d(delay, item.row, j), gmoving(gdelay, item.row, j);
      const Series<Real, T> w(line, item.row, j), g(owed, item.row, j), gout(gy, item.row, j);
      T f, weight[4], slope[4];
      for (int m = n - 1; m >= 0; --m) {
        bool valid;
        const std::int64_t p = item.point(d, t + m, f, valid);
        interpolation(item.cubic, f, weight, slope);
        const T gm = valid ? gu[m] + gout[t + m] : T(Real(NAN));
        T rise(0);
        for (int q = 0; q < 4; ++q) {
          g.add(p - 1 + q, weight[q] * gm);
          rise += slope[q] * w[p - 1 + q];
        }
        const Wide moved = cast<Wide>(-(rise * gm));  // a longer delay reads earlier
        if (item.moving)
          gmoving.put(t + m, moved);
        else
          gd += moved;
      }
    }
  };
};

const Register<Delay> kDelay;

}  // namespace
}  // namespace dsp
