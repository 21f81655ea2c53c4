// Coupled delay lines: y_i[t] = w_i(t - d_i[t]), w_i[t] = x_i[t] + sum_j feedback[i][j] (loop_j * y_j)[t],
// with fractional delays that may move and second-order sections in the loop. One line is an echo, two
// crossed ones a ping-pong, eight with an orthogonal matrix a reverberator (J.-M. Jot and A. Chaigne,
// "Digital Delay Networks for Designing Artificial Reverberators", AES 90, 1991). Reading between
// samples is linear, third-order Lagrange, or a first-order all-pass, whose last output then lies behind
// a line's history. Lines are read before the sample at hand is written, so they are worked on in stretches
// of the shortest delay, with time on the vector registers.
#pragma once

#include "dsp/op.hpp"
#include "ops/shared/delay_lines.hpp"

namespace dsp {
namespace {

struct Delay {
  static constexpr const char* kName = "delay";
  static constexpr int kArguments = 6, kResults = 3, kWorkspaces = 2, kScratches = 2;
  static constexpr bool kLanes = false, kWide = false;
  static constexpr int kMaxLines = kMostLines, kMaxSections = kMostSections;

  template <class T>
  using Item = DelayLines<T>;

  /// Arguments x (b, l, t), delay (b, l, n), feedback (b, l, l, n), loop sections (b, l, k, 6, n), past
  /// (b, l, d) and filter states (b, l, k, 2); results y, past after, states after; workspaces all of
  /// the lines (b, l, d + t), and the filter states and last outputs at every chunk.
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
      T s[kMaxLines][kMaxSections][2], u[kMaxLines][kChunk] = {}, last[kMaxLines];
      for (int i = 0; i < lines; ++i) {
        const Series<Real, T> from(past, row, i);
        const Track<Real, T> to(line, row, i);
        // A plug-in lets the line lie where its past does already.
        if constexpr (std::is_arithmetic_v<T>) {
          if (from.value != to.value) from.copy(0, int(item.history), to.value);
        } else {
          for (std::int64_t p = 0; p < item.history; ++p) to.put(p, from[p]);
        }
        last[i] = item.kind == kAllpass ? from[item.history] : T(0);
        for (int k = 0; k < sections; ++k)
          for (int j = 0; j < 2; ++j) s[i][k][j] = state.load<T>(row, i, k, j);
      }
      bool done = false;
#ifndef __CUDACC__
      if constexpr (kSideBySide<T>) {
        StillNetwork<T, kMaxLines> net;
        int most;
        done = item.still(delay, net, most);
        T* in_line[kMaxLines];
        for (int i = 0; i < lines; ++i) in_line[i] = Track<Real, T>(line, row, i).value;
        const auto rows = [&](const Port& port) { return [&port, row](int i) { return Series<Real, T>(port, row, i); }; };
        if (done && sections == 0) net.forward(most, rows(x), rows(y), in_line, [](auto...) {});
        if (done && sections > 0)
          with_line_lanes(lines, sections, item.c, s, [&](auto lanes) {
            net.forward(most, rows(x), rows(y), in_line, [&](std::int64_t t, int n, auto* out) {
              for (int m = 0, some; m < n; m += some) {
                const int into = int((t + m) % kChunk);
                if (into == 0 && kept.given()) {
                  lanes.states(s);
                  keep(item, s, t + m);
                }
                some = n - m < kChunk - into ? n - m : kChunk - into;
                lanes.run(m, some, out);
              }
            });
            lanes.states(s);
          });
      }
#endif
      for (std::int64_t t0 = done ? item.length : 0; t0 < item.length; t0 += kChunk) {
        for (int i = 0; i < lines; ++i) kept.store(last[i], row, i, t0 / kChunk, sections, 0);
        keep(item, s, t0);
        const std::int64_t end = t0 + kChunk < item.length ? t0 + kChunk : item.length;
        for (std::int64_t t = t0; t < end;) {
          const int n = item.stretch(delay, t, int(end - t));
          for (int j = 0; j < lines; ++j) {
            item.read(delay, line, j, t, n, u[j], last[j]);
            put_all(Series<Real, T>(y, row, j), t, n, u[j]);
          }
          if (!item.filters_move) filter_lines(lines, sections, n, item.c, s, u);
          for (int j = 0; item.filters_move && j < lines; ++j)
            for (int k = 0; k < sections; ++k)
              for (int m = 0; m < n; ++m) u[j][m] = Section::step(item.at(sos, j, k, t + m), s[j][k], u[j][m]);
          for (int i = 0; i < lines; ++i) {
            const Track<Real, T> to(line, row, i);
            T w[kChunk] = {};
            Series<Real, T>(x, row, i).copy(t, n, w);
            item.mix_all(feedback, i, t, n, u, w);
            for (int m = 0; m < n; ++m) to.put(item.history + t + m, w[m]);
          }
          t += n;
        }
      }
      for (int i = 0; i < lines; ++i) {
        const Track<Real, T> from(line, row, i);
        const Series<Real, T> to(past_out, row, i);
        if constexpr (std::is_arithmetic_v<T>) {
          if (to.value != from.value + item.length) put_all(to, 0, int(item.history), from.value + item.length);
        } else {
          for (std::int64_t p = 0; p < item.history; ++p) to.put(p, from[item.length + p]);
        }
        if (item.kind == kAllpass) to.put(item.history, last[i]);
        for (int k = 0; k < sections; ++k)
          for (int j = 0; j < 2; ++j) state_out.store(s[i][k][j], row, i, k, j);
      }
    }

    /// The filters' states before the chunk at t0.
    template <class T>
    DSP_HD void keep(const Item<T>& item, const T (*s)[kMaxSections][2], std::int64_t t0) const {
      for (int i = 0; i < item.lines; ++i)
        for (int k = 0; k < item.sections; ++k)
          for (int j = 0; j < 2; ++j) kept.store(s[i][k][j], item.row, i, t0 / kChunk, k, j);
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
      T gs[kMaxLines][kMaxSections][2], gu[kMaxLines][kChunk], gw[kMaxLines][kChunk] = {}, glast[kMaxLines];
      Wide gmatrix[kMaxLines][kMaxLines], gc[kMaxLines][kMaxSections][6], gd[kMaxLines];
      for (int i = 0; i < lines; ++i) {
        const Series<Real, T> after(gpast_out, row, i);
        const Track<Real, T> g(owed, row, i);
        for (std::int64_t p = 0; p < length; ++p) g.put(p, T(0));
        for (std::int64_t p = 0; p < history; ++p) g.put(length + p, after[p]);
        glast[i] = item.kind == kAllpass ? after[history] : T(0);
        gd[i] = Wide(0);
        for (int j = 0; j < lines; ++j) gmatrix[i][j] = Wide(0);
        for (int k = 0; k < sections; ++k) {
          for (int j = 0; j < 2; ++j) gs[i][k][j] = gstate_out.load<T>(row, i, k, j);
          for (int j = 0; j < 6; ++j) gc[i][k][j] = Wide(0);
        }
      }
      bool done = false;
#ifndef __CUDACC__
      if constexpr (kSideBySide<T>) {
        StillNetwork<T, kMaxLines> net;
        int most;
        done = sections == 0 && item.still(delay, net, most);
        T *in_line[kMaxLines], *in_owed[kMaxLines];
        for (int i = 0; i < lines; ++i) {
          in_line[i] = Track<Real, T>(line, row, i).value;
          in_owed[i] = Track<Real, T>(owed, row, i).value;
        }
        const auto rows = [&](const Port& port) { return [&port, row](int i) { return Series<Real, T>(port, row, i); }; };
        if (done) net.backward(most, rows(gy), rows(gx), in_line, in_owed, gd, gmatrix);
      }
#endif
      const std::int64_t last = length > 0 && !done ? (length - 1) / kChunk * kChunk : -1;
      for (std::int64_t t0 = last; t0 >= 0; t0 -= kChunk) {
        const std::int64_t end = t0 + kChunk < length ? t0 + kChunk : length;
        for (int j = 0; j < lines; ++j) recompute(item, j, t0, int(end - t0));
        // The stretches of the forward pass, last first; the adjoint of a stretch reaches only earlier ones.
        int starts[kChunk + 1], count = 0;
        for (int m = 0; t0 + m < end; m += item.stretch(delay, t0 + m, int(end - t0) - m)) starts[count++] = m;
        starts[count] = int(end - t0);
        for (int b = count - 1; b >= 0; --b) {
          const int m0 = starts[b], n = starts[b + 1] - m0;
          for (int i = 0; i < lines; ++i) {
            const Track<Real, T> g(owed, row, i);
            for (int m = 0; m < n; ++m) gw[i][m] = g[history + t0 + m0 + m];
            put_all(Series<Real, T>(gx, row, i), t0 + m0, n, gw[i]);
          }
          unmix(item, t0, m0, n, gw, gu, gmatrix);
          for (int j = 0; j < lines; ++j) {
            const Track<Real, T> t_(trail, row, j);
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
            if (item.kind == kAllpass)
              spread_allpass(item, j, t0, m0, n, gu[j], gd[j], glast[j]);
            else
              spread(item, j, t0 + m0, n, gu[j], gd[j]);
          }
        }
      }
      for (int i = 0; i < lines; ++i) {
        const Track<Real, T> g(owed, row, i);
        const Series<Real, T> out(gpast, row, i);
        for (std::int64_t p = 0; p < history; ++p) out.put(p, g[p]);
        if (item.kind == kAllpass) out.put(history, glast[i]);
        if (!item.moving) gdelay.store(gd[i], row, i, 0);
        if (!item.matrix_moves)
          for (int j = 0; j < lines; ++j) gfeedback.store(gmatrix[i][j], row, i, j, 0);
        for (int k = 0; k < sections; ++k) {
          for (int j = 0; j < 2; ++j) gstate.store(gs[i][k][j], row, i, k, j);
          if (!item.filters_move) section_gradient(item, i, k, 0, gc[i][k]);
        }
      }
    }

    /// Hands the adjoint of what went into the lines, `gw`, to what came out of them, and to the matrix.
    template <class T, class Wide>
    DSP_HD void unmix(const Item<T>& item, std::int64_t t0, int m0, int n, const T (*gw)[kChunk], T (*gu)[kChunk],
                      Wide (*gmatrix)[kMaxLines]) const {
      using Real = typename Traits<T>::Real;
      for (int j = 0; j < item.lines; ++j) {
        const Track<Real, T> u(trail, item.row, j);
        for (int m = 0; m < kChunk; ++m) gu[j][m] = T(0);
        if constexpr (kSideBySide<T>) {
          if (!item.matrix_moves) still_mix(&item.feedback[0][j], kMaxLines, item.lines, gw, n, gu[j]);
        }
        for (int i = 0; i < item.lines; ++i) {
          if (kSideBySide<T> && !item.matrix_moves) {
            if constexpr (kSideBySide<T>) {
              if (!gfeedback.given()) continue;
              typename Abreast<T>::Type sum(T(0));
              const T rest = still_product(gw[i], u.value + m0, n, sum);
              gmatrix[i][j] += cast<Wide>(total(sum) + rest);
            }
          } else {
            item.mix(feedback, i, j, t0 + m0, n, gw[i], gu[j]);
            const Series<Real, T> gf(gfeedback, item.row, i, j);
            T sum(0);
            for (int m = 0; m < n; ++m) {
              const T product = gw[i][m] * u[m0 + m];
              sum += product;
              if (item.matrix_moves) gf.put(t0 + m0 + m, product);
            }
            if (!item.matrix_moves) gmatrix[i][j] += cast<Wide>(sum);
          }
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
      stage_gradient<Section>(sos, gsos, item.rows(j), k, t, wide);
    }

    /// Fills line j's trail for samples [t0, t0 + n): what it sends to the matrix, then for each section
    /// its states and its input.
    template <class T>
    DSP_HD void recompute(Item<T>& item, int j, std::int64_t t0, int n) const {
      using Real = typename Traits<T>::Real;
      const Track<Real, T> out(trail, item.row, j);
      T u[kChunk], last = kept.load<T>(item.row, j, t0 / kChunk, item.sections, 0);
      item.read(delay, line, j, t0, n, u, last);
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
      const Track<Real, T> w(line, item.row, j), g(owed, item.row, j);
      const Series<Real, T> gout(gy, item.row, j);
      T f, weight[4], slope[4];
      if constexpr (kSideBySide<T>) {
        bool valid;
        const std::int64_t p = item.point(d, t, f, valid);
        if (valid && !item.moving) {
          T both[kChunk];
          gout.copy(t, n, both);
          for (int m = 0; m < n; ++m) both[m] += gu[m];
          interpolation(item.kind == kCubic, f, weight, slope);
          gd -= cast<Wide>(still_spread(w.value + p - 1, weight, slope, n, both, g.value + p - 1));
          return;
        }
      }
      for (int m = n - 1; m >= 0; --m) {
        bool valid;
        const std::int64_t p = item.point(d, t + m, f, valid);
        interpolation(item.kind == kCubic, f, weight, slope);
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

    /// The same for samples [m0, m0 + n) of the chunk at t0 of a line read by all-pass; `glast` is what the
    /// output of a sample owes to the one after it, and then what that before the first of these owes.
    template <class T, class Wide>
    DSP_HD void spread_allpass(const Item<T>& item, int j, std::int64_t t0, int m0, int n, const T* gu, Wide& gd,
                               T& glast) const {
      using Real = typename Traits<T>::Real;
      const Series<double, Wide> d(delay, item.row, j), gmoving(gdelay, item.row, j);
      const Track<Real, T> w(line, item.row, j), g(owed, item.row, j), heard(trail, item.row, j);
      const Series<Real, T> gout(gy, item.row, j);
      const std::int64_t first = item.sections > 0 ? 3 * kChunk : 0;  // of y in the trail: what goes on from the line
      for (int m = m0 + n - 1; m >= m0; --m) {
        T a, slope;
        bool valid;
        const std::int64_t p = item.allpass(d, t0 + m, a, slope, valid);
        const T before = m > 0 ? heard[first + m - 1] : kept.load<T>(item.row, j, t0 / kChunk, item.sections, 0);
        const T gm = valid ? gu[m - m0] + gout[t0 + m] + glast : T(Real(NAN)), bent = a * gm;
        g.add(p, gm);
        g.add(p + 1, bent);
        glast = -bent;
        const Wide moved = cast<Wide>(slope * (w[p + 1] - before) * gm);
        if (item.moving)
          gmoving.put(t0 + m, moved);
        else
          gd += moved;
      }
    }
  };
};

const Register<Delay> kDelay;

}  // namespace
}  // namespace dsp
