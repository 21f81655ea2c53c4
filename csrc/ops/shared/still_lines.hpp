// Delay lines whose delays and matrix stand still, on plain numbers: what a stretch of samples reads, mixes
// and owes, with time on the vector registers, and both passes of a network (back: without filters in its loop). A
// pack that reaches past the end of a stretch touches local arrays only, never the lines.
#pragma once

#include "ops/shared/circle.hpp"

namespace dsp {
namespace {

/// to[0 ... n) as elements [first, first + n) of a row.
template <class M, class T>
DSP_HD void put_all(const Series<M, T>& to, std::int64_t first, int n, const T* from) {
  if constexpr (std::is_arithmetic_v<T>) {
    if (to.value && to.value_step == 1) {
      std::memcpy(to.value + first, from, sizeof(T) * std::size_t(n));
      return;
    }
  }
  for (int m = 0; m < n; ++m) to.put(first + m, from[m]);
}

#ifdef __CUDACC__
template <class T>
constexpr bool kSideBySide = false;
#else
template <class T>
constexpr bool kSideBySide = std::is_arithmetic_v<T>;

/// y[s] = sum_q weight[q] w[s + q], q = 0 ... 3.
template <class T>
inline void still_read(const T* w, const T* weight, int n, T* y) {
  using V = typename Abreast<T>::Type;
  constexpr int kWidth = Traits<V>::kLanes;
  int s = 0;
  for (; s + kWidth <= n; s += kWidth) {
    const V older = V(weight[0]) * V::at(w + s) + V(weight[1]) * V::at(w + s + 1);
    (older + (V(weight[2]) * V::at(w + s + 2) + V(weight[3]) * V::at(w + s + 3))).to(y + s);
  }
  for (; s < n; ++s) y[s] = weight[0] * w[s] + weight[1] * w[s + 1] + (weight[2] * w[s + 2] + weight[3] * w[s + 3]);
}

/// sum[m] += sum_j f[j * step] a[j][m].
template <class T, int kSize>
inline void still_mix(const T* f, int step, int lines, const T (*a)[kSize], int n, T* sum) {
  using V = typename Abreast<T>::Type;
  for (int m = 0; m < n; m += Traits<V>::kLanes) {
    V all = V::at(sum + m);
    for (int j = 0; j < lines; ++j) all += V(f[j * step]) * V::at(a[j] + m);
    all.to(sum + m);
  }
}

/// a . b: whole packs onto `sum`, the rest is returned.
template <class T, class V>
inline T still_product(const T* a, const T* b, int n, V& sum) {
  constexpr int kWidth = Traits<V>::kLanes;
  int m = 0;
  for (; m + kWidth <= n; m += kWidth) sum += V::at(a + m) * V::at(b + m);
  T rest(0);
  for (; m < n; ++m) rest += a[m] * b[m];
  return rest;
}

/// Samples worked on together: rows of signals lie at equal distances, often a power of two, and so far apart
/// evict each other from the caches unless much of a row is taken at once.
constexpr int kSpan = 1024;

/// The adjoint of still_read: gw[s + q] += weight[q] g[s]. Returns sum of g[s] slope[q] w[s + q].
template <class T>
inline T still_spread(const T* w, const T* weight, const T* slope, int n, const T* g, T* gw) {
  using V = typename Abreast<T>::Type;
  constexpr int kWidth = Traits<V>::kLanes;
  T padded[kSpan + 6] = {};
  std::memcpy(padded + 3, g, sizeof(T) * std::size_t(n));
  int r = 0;
  for (; r + kWidth <= n + 3; r += kWidth) {
    const V more = V(weight[0]) * V::at(padded + r + 3) + V(weight[1]) * V::at(padded + r + 2) +
                   (V(weight[2]) * V::at(padded + r + 1) + V(weight[3]) * V::at(padded + r));
    (V::at(gw + r) + more).to(gw + r);
  }
  for (; r < n + 3; ++r)
    gw[r] += weight[0] * padded[r + 3] + weight[1] * padded[r + 2] + (weight[2] * padded[r + 1] + weight[3] * padded[r]);
  V sum(T(0));
  T moved[kSpan];
  still_read(w, slope, n, moved);
  const T rest = still_product(moved, g, n, sum);
  return total(sum) + rest;
}

/// A network whose delays and matrix stand still.
template <class T, int kLines>
struct StillNetwork {
  static constexpr int kRoom = kSpan + 64 / int(sizeof(T));  // rows do not lie on the same cache lines
  int lines;
  std::int64_t history, length, place[kLines];  // of what output 0 is read from, less one sample
  T weight[kLines][4], slope[kLines][4];
  const T (*feedback)[kLines];
  bool apart;  // every line feeds itself alone

  /// Stretches of at most so many samples read nothing that they write.
  int span(double shortest) const { return shortest - 1 < kSpan ? int(shortest) - 1 : kSpan; }

  /// `filter(t, n, u)` is what samples [t, t + n) of the outputs pass on their way back.
  template <class Rows, class Filter>
  void forward(int most, const Rows& x, const Rows& y, T* const* line, const Filter& filter) const {
    T u[kLines][kRoom] = {}, w[kRoom] = {};
    for (std::int64_t t = 0; t < length; t += most) {
      const int n = int(length - t < most ? length - t : most);
      for (int j = 0; j < lines; ++j) {
        still_read(line[j] + place[j] + t, weight[j], n, u[j]);
        put_all(y(j), t, n, u[j]);
      }
      filter(t, n, u);
      for (int i = 0; i < lines; ++i) {
        x(i).copy(t, n, w);
        still_mix(apart ? feedback[i] + i : feedback[i], 1, apart ? 1 : lines, apart ? u + i : u, n, w);
        std::memcpy(line[i] + history + t, w, sizeof(T) * std::size_t(n));
      }
    }
  }

  /// Nothing in the loop. Adds to the gradients of the delays and of the matrix.
  template <class Rows>
  void backward(int most, const Rows& gy, const Rows& gx, T* const* line, T* const* owed, double* gdelay,
                double (*gmatrix)[kLines]) const {
    using V = typename Abreast<T>::Type;
    T u[kRoom], gu[kRoom] = {}, gw[kLines][kRoom] = {};
    for (std::int64_t end = length; end > 0;) {
      const int n = int(end < most ? end : most);
      const std::int64_t t = end - n;
      for (int i = 0; i < lines; ++i) {
        std::memcpy(gw[i], owed[i] + history + t, sizeof(T) * std::size_t(n));
        put_all(gx(i), t, n, gw[i]);
      }
      for (int j = 0; j < lines; ++j) {
        still_read(line[j] + place[j] + t, weight[j], n, u);
        for (int i = 0; i < lines; ++i) {
          V sum(T(0));
          const T rest = still_product(gw[i], u, n, sum);
          gmatrix[i][j] += double(total(sum) + rest);
        }
        gy(j).copy(t, n, gu);
        still_mix(&feedback[0][j], kLines, lines, gw, n, gu);
        gdelay[j] -= double(still_spread(line[j] + place[j] + t, weight[j], slope[j], n, gu, owed[j] + place[j] + t));
      }
      end = t;
    }
  }
};
#endif

}  // namespace
}  // namespace dsp
