// Schroeder and Moorer's room: eight combs side by side with a low-pass in each loop, then four all-passes
// in series, as M. Schroeder, "Natural Sounding Artificial Reverberation", JAES 10(3), 1962, J. Moorer, "About
// This Reverberation Business", CMJ 3(2), 1979, and Jezar's Freeverb (2000) have them. With u_i[t] =
// w_i[t - n_i], h_i[t] = u_i[t] + d (h_i[t-1] - u_i[t]), w_i[t] = x[t] + f h_i[t]; their sum goes through v =
// l[t - m], y = v - in, l[t] = in + v / 2. All lengths are whole samples. Nothing is written that a stretch of
// the shortest length reads, so a stretch is filtered with the combs on the lanes of a vector register.
#pragma once

#include "dsp/op.hpp"
#include "dsp/tile.hpp"
#include "ops/shared/loop.hpp"

namespace dsp {
namespace {

struct Freeverb {
  static constexpr const char* kName = "freeverb";
  static constexpr int kArguments = 5, kResults = 3, kWorkspaces = 2, kScratches = 1;
  static constexpr bool kLanes = false, kWide = false;
  static constexpr int kCombs = 8, kPasses = 4, kLines = kCombs + kPasses;
#ifdef __CUDACC__
  static constexpr int W = 1;
  template <class T>
  using Many = T;
#else
  static constexpr int W = kCombs;
  template <class T>
  using Many = std::conditional_t<std::is_arithmetic_v<T>, Pack<typename Traits<T>::Real, W>,
                                  Dual<Pack<typename Traits<T>::Real, W>, 1>>;
#endif

  /// From n samples of W lines to a tile with a line a lane, and back.
  template <class T>
  static DSP_HD void load_rows(const T* const* rows, int n, Many<T>* tile) {
#ifndef __CUDACC__
    if constexpr (std::is_arithmetic_v<T>) return interleave(rows, 1, n, tile, ValuePart{});
#endif
    for (int m = 0; m < n; ++m)
      for (int l = 0; l < W; ++l) set_lane(tile[m], l, rows[l][m]);
  }
  template <class T>
  static DSP_HD void store_lines(const Loop<T>* lines, int n, const Many<T>* tile) {
    T spare[W][kChunk], *rows[W];
    for (int l = 0; l < W; ++l) rows[l] = lines[l].room(n, spare[l]);
#ifndef __CUDACC__
    if constexpr (std::is_arithmetic_v<T>) deinterleave(rows, 1, n, tile, ValuePart{});
#endif
    for (int m = 0; m < n && (W == 1 || !std::is_arithmetic_v<T>); ++m)
      for (int l = 0; l < W; ++l) rows[l][m] = lane(tile[m], l);
    for (int l = 0; l < W; ++l) lines[l].keep(n, spare[l]);
  }
  /// sum[m] += of the rows.
  template <class T>
  static DSP_HD void add_rows(const T* const* rows, int n, T* __restrict sum) {
    for (int m = 0; m < n; ++m) {
      T all = rows[0][m];
      for (int l = 1; l < W; ++l) all += rows[l][m];
      sum[m] += all;
    }
  }
  template <class T>
  static DSP_HD auto sum_lanes(const Many<T>& x) {
    T sum = lane(x, 0);
    for (int l = 1; l < W; ++l) sum += lane(x, l);
    return sum;
  }

  /// What both directions share about one row: lengths, and the controls of a chunk.
  template <class T>
  struct Item {
    using Real = typename Traits<T>::Real;
    using Wide = typename Traits<T>::Double;
    std::int64_t b, c, length, size[kLines], begin[kLines + 1];
    int most = kChunk;
    bool moves[2];
    T f[kChunk], d[kChunk];

    DSP_HD Item(std::int64_t row, const Port& x, const Port& feedback, const Port& damping, const Attrs& attrs)
        : b(row / x.size(1)), c(row % x.size(1)), length(x.size(2)), moves{feedback.size(2) != 1, damping.size(2) != 1} {
      begin[0] = 0;
      for (int i = 0; i < kLines; ++i) {  // three lengths of 20 bits to an attribute
        const int n = int(c) * kLines + i;
        size[i] = (attrs.value[n / 3] >> (20 * (n % 3))) & 0xfffff;
        begin[i + 1] = begin[i] + size[i];
        if (size[i] < most) most = int(size[i]);
      }
      for (int m = 0; m < kChunk; ++m) {
        f[m] = cast<T>(feedback.load<Wide>(b, c, 0));
        d[m] = cast<T>(damping.load<Wide>(b, c, 0));
      }
    }
    DSP_HD void controls(const Port& feedback, const Port& damping, std::int64_t t0, int n) {
      for (int m = 0; m < n; ++m) {
        if (moves[0]) f[m] = cast<T>(feedback.load<Wide>(b, c, t0 + m));
        if (moves[1]) d[m] = cast<T>(damping.load<Wide>(b, c, t0 + m));
      }
    }
    /// Line i of a tensor that holds all of them one after the other.
    DSP_HD Loop<T> loop(const Port& lines, int i) const {
      const Track<Real, T> all(lines, b, c);
      Real* tangent = nullptr;
      if constexpr (!std::is_arithmetic_v<T>) tangent = all.tangent + begin[i];
      return {all.value + begin[i], tangent, size[i], 0};
    }
    /// Comb i of the workspace: its past and all that was written to it.
    DSP_HD Loop<T> kept(const Port& lines, int i) const {
      const Track<Real, T> all(lines, b, c);
      const std::int64_t from = begin[i] + i * length;
      Real* tangent = nullptr;
      if constexpr (!std::is_arithmetic_v<T>) tangent = all.tangent + from;
      return {all.value + from, tangent, size[i] + length, 0};
    }
  };

  /// Once round: what a row of a tensor has from element `first` on, into a loop; and back.
  template <class T, class From>
  static DSP_HD void fill(Loop<T>& to, const From& from, std::int64_t first) {
    if constexpr (std::is_arithmetic_v<T>) {
      if (from.value_step == 1) return to.write(int(to.size), from.value + first);
    }
    T some[kChunk];
    for (std::int64_t p = 0; p < to.size; p += kChunk) {
      const int n = int(to.size - p < kChunk ? to.size - p : kChunk);
      from.copy(first + p, n, some);
      to.write(n, some);
      to.advance(n);
    }
  }
  template <class T, class To>
  static DSP_HD void empty(Loop<T>& from, const To& to, std::int64_t first, std::int64_t size) {
    T some[kChunk];
    for (std::int64_t p = 0; p < size; p += kChunk) {
      const int n = int(size - p < kChunk ? size - p : kChunk);
      from.read(n, some);
      to.put_all(first + p, n, some);
      from.advance(n);
    }
  }
  /// Arguments x (b, c, t), feedback and damping (b, c, n), the past of all lines (b, c, d) and the low-passes'
  /// states (b, c, 8); results y, past and states after; workspaces the combs' lines (b, c, d + 8 t), for the
  /// backward pass alone, and the states at every chunk.
  struct Forward {
    static constexpr int kPorts = 10;
    Port x, feedback, damping, past, state, y, past_out, state_out, line, kept;
    Attrs attrs;

    std::int64_t rows() const { return x.size(0) * x.size(1); }
    std::int64_t work() const { return 3 * kLines * rows() * x.size(2); }

    template <class T>
    DSP_HD void run(std::int64_t row, std::int64_t) const {
      using Real = typename Traits<T>::Real;
      Item<T> item(row, x, feedback, damping, attrs);
      const std::int64_t b = item.b, c = item.c;
      const Series<Real, T> from(x, b, c), to(y, b, c), before(past, b, c);
      const bool keeps = line.given();
      // What is read, and what is written: the same place of a loop, or the end of a line that is kept.
      Loop<T> out[kLines], in[kCombs];
      Many<T> h[kCombs / W], tile[kChunk];
      for (int i = 0; i < kLines; ++i) {
        Loop<T> whole = item.loop(past_out, i);
        out[i] = whole;
        if (keeps && i < kCombs) {
          out[i] = item.kept(line, i);
          whole.value = out[i].value;
          whole.tangent = out[i].tangent;
        } else {
          whole.place = (item.size[i] - item.length % item.size[i]) % item.size[i];  // it ends where it begins
          out[i].place = whole.place;
        }
        fill(whole, before, item.begin[i]);
        if (i < kCombs) in[i] = out[i];
        if (i < kCombs && keeps) in[i].place = item.size[i] % out[i].size;
      }
      for (int i = 0; i < kCombs; ++i) set_lane(h[i / W], i % W, state.load<T>(b, c, i));
      T wet[kChunk], sound[kChunk];
      for (std::int64_t t0 = 0; t0 < item.length; t0 += kChunk) {
        if (kept.given())
          for (int i = 0; i < kCombs; ++i) kept.store(lane(h[i / W], i % W), b, c, t0 / kChunk, i);
        const std::int64_t end = t0 + kChunk < item.length ? t0 + kChunk : item.length;
        item.controls(feedback, damping, t0, int(end - t0));
        for (std::int64_t t = t0; t < end;) {
          const int n = int(end - t < item.most ? end - t : item.most), m0 = int(t - t0);
          from.copy(t, n, sound);
          for (int m = 0; m < n; ++m) wet[m] = T(0);
          for (int g = 0; g < kCombs; g += W) {
            T spare[W][kChunk];
            const T* rows[W];
            for (int l = 0; l < W; ++l) rows[l] = out[g + l].ahead(n, spare[l]);
            add_rows(rows, n, wet);
            load_rows(rows, n, tile);
            Many<T> low = h[g / W];
            for (int m = 0; m < n; ++m) {
              const Many<T> d(spread(item.d[m0 + m])), f(spread(item.f[m0 + m])), x(spread(sound[m]));
              low = d * low + (tile[m] - d * tile[m]);
              tile[m] = x + f * low;
            }
            h[g / W] = low;
            store_lines(in + g, n, tile);
          }
          for (int i = kCombs; i < kLines; ++i) {
            T spare[kChunk], *__restrict v = out[i].ahead(n, spare);
            for (int m = 0; m < n; ++m) {
              const T into = wet[m];
              wet[m] = v[m] - into;
              v[m] = into + T(0.5) * v[m];
            }
            out[i].keep(n, spare);
          }
          to.put_all(t, n, wet);
          for (int i = 0; i < kLines; ++i) out[i].advance(n);
          for (int i = 0; i < kCombs; ++i) in[i].advance(n);
          t += n;
        }
      }
      for (int i = 0; i < kCombs; ++i) state_out.store(lane(h[i / W], i % W), b, c, i);
      const Series<Real, T> past_after(past_out, b, c);
      for (int i = 0; keeps && i < kCombs; ++i) empty(out[i], past_after, item.begin[i], item.size[i]);
      for (std::int64_t p = item.begin[kLines]; p < past.size(2); ++p) past_after.put(p, T(0));
    }
  };

  /// Scratch: what the lines owe, (b, c, d).
  struct Backward {
    static constexpr int kPorts = 16;
    Port x, feedback, damping, past, state, line, kept, owed, gy, gpast_out, gstate_out, gx, gfeedback, gdamping, gpast,
        gstate;
    Attrs attrs;

    std::int64_t rows() const { return x.size(0) * x.size(1); }
    std::int64_t work() const { return 9 * kLines * rows() * x.size(2); }

    template <class T>
    DSP_HD void run(std::int64_t row, std::int64_t) const {
      using Real = typename Traits<T>::Real;
      using Wide = typename Traits<T>::Double;
      Item<T> item(row, x, feedback, damping, attrs);
      const std::int64_t b = item.b, c = item.c;
      const Series<Real, T> after(gpast_out, b, c), from(gy, b, c), to(gx, b, c);
      Loop<T> owe[kLines], lines[kCombs];
      Many<T> gh[kCombs / W], u[kChunk], h[kChunk + 1], tile[kChunk];
      for (int i = 0; i < kLines; ++i) {
        // What is owed to sample t lies at t - length, gone round.
        owe[i] = item.loop(owed, i);
        fill(owe[i], after, item.begin[i]);
        if (i < kCombs) lines[i] = item.kept(line, i);
      }
      for (int i = 0; i < kCombs; ++i) set_lane(gh[i / W], i % W, gstate_out.load<T>(b, c, i));
      const bool wanted[2] = {asked(gfeedback), asked(gdamping)};
      Wide total[2] = {Wide(0), Wide(0)};
      T gwet[kChunk], gsound[kChunk], moved[2][kChunk];
      const std::int64_t last = item.length > 0 ? (item.length - 1) / kChunk * kChunk : -1;
      for (std::int64_t t0 = last; t0 >= 0; t0 -= kChunk) {
        const int size = int(item.length - t0 < kChunk ? item.length - t0 : kChunk);
        item.controls(feedback, damping, t0, size);
        from.copy(t0, size, gwet);
        for (int m = 0; m < size; ++m) gsound[m] = moved[0][m] = moved[1][m] = T(0);
        for (int end = size; end > 0;) {
          const int n = end < item.most ? end : item.most, m0 = end - n;
          T* g = gwet + m0;
          for (int i = kLines - 1; i >= kCombs; --i) {
            owe[i].retreat(n);
            T spare[kChunk], *__restrict owing = owe[i].ahead(n, spare);
            for (int m = 0; m < n; ++m) {
              const T into = owing[m] - g[m];
              owing[m] = g[m] + T(0.5) * owing[m];
              g[m] = into;
            }
            owe[i].keep(n, spare);
          }
          end = m0;
        }
        for (int k = 0; k < kCombs; k += W) {
          T spare[W][kChunk];
          const T* rows[W];
          for (int l = 0; l < W; ++l) {
            lines[k + l].place = t0;
            rows[l] = lines[k + l].ahead(size, spare[l]);
          }
          load_rows(rows, size, u);
          for (int l = 0; l < W; ++l) set_lane(h[0], l, kept.load<T>(b, c, t0 / kChunk, k + l));
          for (int m = 0; m < size; ++m) {
            const Many<T> d(spread(item.d[m]));
            h[m + 1] = d * h[m] + (u[m] - d * u[m]);
          }
          Many<T> sum[2] = {Many<T>(0), Many<T>(0)}, carry = gh[k / W];
          for (int end = size; end > 0;) {
            const int n = end < item.most ? end : item.most, m0 = end - n;
            for (int l = 0; l < W; ++l) {
              owe[k + l].retreat(n);
              rows[l] = owe[k + l].ahead(n, spare[l]);
            }
            add_rows(rows, n, gsound + m0);
            load_rows(rows, n, tile);
            for (int m = n - 1; m >= 0; --m) {
              const Many<T> d(spread(item.d[m0 + m])), f(spread(item.f[m0 + m])), g(spread(gwet[m0 + m]));
              const Many<T> owing = tile[m], low = carry + f * owing;
              const Many<T> slope[2] = {owing * h[m0 + m + 1], low * (h[m0 + m] - u[m0 + m])};
              for (int q = 0; q < 2; ++q) {
                if (item.moves[q] && wanted[q])
                  moved[q][m0 + m] += sum_lanes<T>(slope[q]);
                else
                  sum[q] += slope[q];
              }
              carry = d * low;
              tile[m] = g + (low - carry);
            }
            store_lines(owe + k, n, tile);
            end = m0;
          }
          gh[k / W] = carry;
          for (int q = 0; q < 2; ++q)
            for (int l = 0; l < W; ++l) total[q] += cast<Wide>(lane(sum[q], l));
        }
        to.put_all(t0, size, gsound);
        for (int q = 0; q < 2; ++q)
          if (item.moves[q] && wanted[q])
            for (int m = 0; m < size; ++m) (q ? gdamping : gfeedback).store(cast<Wide>(moved[q][m]), b, c, t0 + m);
      }
      if (!item.moves[0]) gfeedback.store(total[0], b, c, 0);
      if (!item.moves[1]) gdamping.store(total[1], b, c, 0);
      for (int i = 0; i < kCombs; ++i) gstate.store(lane(gh[i / W], i % W), b, c, i);
      const Series<Real, T> out(gpast, b, c);
      for (int i = 0; i < kLines; ++i) empty(owe[i], out, item.begin[i], item.size[i]);
      for (std::int64_t p = item.begin[kLines]; p < past.size(2); ++p) out.put(p, T(0));
    }

    static DSP_HD bool asked(const Port& port) { return port.given() || port.tangent.data; }
  };

  /// The same number on all lanes.
  template <class T>
  static DSP_HD Many<T> spread(const T& x) {
    if constexpr (std::is_arithmetic_v<T> || W == 1) {
      return Many<T>(x);
    } else {
      Many<T> r(x.v);
      r.d[0] = decltype(r.v)(x.d[0]);
      return r;
    }
  }
};

const Register<Freeverb> kFreeverb;

}  // namespace
}  // namespace dsp
