// Tiles: a stretch of samples of the rows on the lanes, lying with the lanes side by side.
#pragma once

#include <cstring>
#include <utility>

#include "dsp/port.hpp"

namespace dsp {
namespace {

/// The rows that the lanes hold: row r is item r / channels, channel r % channels. Lanes past the last
/// row repeat it; what they compute is what it computes, so they may store it too.
struct Rows {
  std::int64_t first, count, channels;

  DSP_HD std::int64_t row(int lane) const {
    const std::int64_t r = first + lane;
    return r < count ? r : count - 1;
  }
  // Divided in 32 bits, or not at all: a tile asks for every lane, and that took a fifth of a biquad's time.
  DSP_HD std::int64_t item(int lane) const {
    const std::int64_t r = row(lane);
    return channels == 1 ? r : std::int64_t(std::uint32_t(r) / std::uint32_t(channels));
  }
  DSP_HD std::int64_t channel(int lane) const {
    return channels == 1 ? 0 : std::int64_t(std::uint32_t(row(lane)) % std::uint32_t(channels));
  }
};

/// The number at (item, channel, index...) for every lane.
template <class T, class... Index>
DSP_HD T load(const Port& port, const Rows& rows, Index... index) {
  T r(0);
  for (int l = 0; l < Traits<T>::kLanes; ++l)
    set_lane(r, l, port.load<typename Traits<T>::Scalar>(rows.item(l), rows.channel(l), index...));
  return r;
}
template <class T, class... Index>
DSP_HD void store(const Port& port, const Rows& rows, const T& x, Index... index) {
  for (int l = 0; l < Traits<T>::kLanes; ++l)
    port.store(lane(x, l), rows.item(l), rows.channel(l), index...);
}

/// The states kept for the rows on the lanes, found once: a workspace lies without gaps. It has the type
/// of the audio, which is narrower than T where an op computes float32 audio in float64.
template <class T>
struct Kept {
  using Real = typename Traits<T>::Real;
  static constexpr int kLanes = Traits<T>::kLanes;
  void *value[kLanes], *tangent[kLanes];
  bool there, narrow;

  DSP_HD Kept(const Port& port, const Rows& rows)
      : there(port.given() || port.tangent.data),
        narrow((port.value.data ? port.value.bits : port.tangent.bits) < 8 * int(sizeof(Real))) {
    for (int l = 0; l < kLanes; ++l) {
      const Port row = port.from(rows.item(l), rows.channel(l));
      value[l] = row.value.data;
      tangent[l] = row.tangent.data;
    }
  }
  DSP_HD Real read(const void* data, std::int64_t at) const {
    if constexpr (sizeof(Real) > sizeof(float)) {
      if (narrow) return Real(static_cast<const float*>(data)[at]);
    }
    return static_cast<const Real*>(data)[at];
  }
  DSP_HD void write(void* data, std::int64_t at, Real x) const {
    if constexpr (sizeof(Real) > sizeof(float)) {
      if (narrow) {
        static_cast<float*>(data)[at] = float(x);
        return;
      }
    }
    static_cast<Real*>(data)[at] = x;
  }
  DSP_HD T get(std::int64_t at) const {
    T r(0);
    for (int l = 0; l < kLanes; ++l) {
      typename Traits<T>::Scalar x(read(value[l], at));
      if constexpr (!std::is_arithmetic_v<typename Traits<T>::Scalar>) x.d[0] = read(tangent[l], at);
      set_lane(r, l, x);
    }
    return r;
  }
  DSP_HD void put(std::int64_t at, const T& x) const {
    for (int l = 0; l < kLanes; ++l) {
      const auto one = lane(x, l);
      if constexpr (std::is_arithmetic_v<typename Traits<T>::Scalar>) {
        write(value[l], at, one);
      } else {
        write(value[l], at, one.v);
        write(tangent[l], at, one.d[0]);
      }
    }
  }
};

/// The two parts of an element of a tile of packs.
struct ValuePart {
  template <class T>
  auto& operator()(T& x) const {
    if constexpr (requires { x.d; })
      return x.v;
    else
      return x;
  }
};
struct TangentPart {
  template <class T>
  auto& operator()(T& x) const {
    return x.d[0];
  }
};

#ifndef __CUDACC__
/// The W x W numbers of W packs, transposed: log2 W rounds of exchanges between packs `kStep` apart.
template <int kStep, class M, int W, int... kLane>
[[gnu::always_inline]] inline void exchange(Pack<M, W>* block, std::integer_sequence<int, kLane...>) {
  using Vector = typename Pack<M, W>::Vector;
  for (int i = 0; i < W; ++i) {
    if (i & kStep) continue;
    const Vector a = block[i].v, b = block[i + kStep].v;
    block[i].v = __builtin_shufflevector(a, b, (kLane & kStep ? W + kLane - kStep : kLane)...);
    block[i + kStep].v = __builtin_shufflevector(a, b, (kLane & kStep ? W + kLane : kLane + kStep)...);
  }
}
template <int kStep, class M, int W>
[[gnu::always_inline]] inline void transpose(Pack<M, W>* block) {
  if constexpr (kStep < W) {
    exchange<kStep>(block, std::make_integer_sequence<int, W>{});
    transpose<2 * kStep>(block);
  }
}

/// Lanes that a block of numbers of type M transposes at once: one register of them.
template <class M, int W>
constexpr int kBlockLanes = W * int(sizeof(M)) > kLaneBytes ? kLaneBytes / int(sizeof(M)) : W;

/// From W rows in memory to a tile with the rows side by side; `part` picks the pack that they belong to
/// in an element of the tile: its value or its tangent.
template <class M, class T, class Part>
inline void interleave(const M* const* source, std::int64_t step, int n, T* tile, Part part) {
  constexpr int W = Traits<T>::kLanes, H = kBlockLanes<M, W>;
  using Real = typename Traits<T>::Real;
  int i = 0;
  if (step == 1) {
    for (; i + H <= n; i += H)
      for (int first = 0; first < W; first += H) {
        Pack<M, H> block[H];
        for (int l = 0; l < H; ++l) block[l] = Pack<M, H>::at(source[first + l] + i);
        transpose<1>(block);
        for (int m = 0; m < H; ++m) {
          const Pack<Real, H> row(__builtin_convertvector(block[m].v, typename Pack<Real, H>::Vector));
          std::memcpy(reinterpret_cast<char*>(&part(tile[i + m]).v) + first * sizeof(Real), &row, sizeof(row));
        }
      }
  }
  for (; i < n; ++i)
    for (int l = 0; l < W; ++l) part(tile[i]).v[l] = Real(source[l][i * step]);
}
/// And back.
template <class M, class T, class Part>
inline void deinterleave(M* const* target, std::int64_t step, int n, const T* tile, Part part) {
  constexpr int W = Traits<T>::kLanes, H = kBlockLanes<M, W>;
  using Real = typename Traits<T>::Real;
  int i = 0;
  if (step == 1) {
    for (; i + H <= n; i += H)
      for (int first = 0; first < W; first += H) {
        Pack<M, H> block[H];
        for (int m = 0; m < H; ++m) {
          Pack<Real, H> row;
          std::memcpy(&row, reinterpret_cast<const char*>(&part(tile[i + m]).v) + first * sizeof(Real), sizeof(row));
          block[m].v = __builtin_convertvector(row.v, typename Pack<M, H>::Vector);
        }
        transpose<1>(block);
        for (int l = 0; l < H; ++l) block[l].to(target[first + l] + i);
      }
  }
  for (int l = 0; l < W; ++l)
    for (int m = i; m < n; ++m) target[l][m * step] = M(part(tile[m]).v[l]);
}

/// Samples [t0, t0 + n) of the rows on the lanes of a view of type M.
template <class M, class T, class Part>
inline void gather(const View& view, const Rows& rows, std::int64_t t0, int n, T* tile, Part part) {
  const M* source[Traits<T>::kLanes];
  for (int l = 0; l < Traits<T>::kLanes; ++l)
    source[l] = static_cast<const M*>(view.data) + Port::at(view, rows.item(l), rows.channel(l), t0);
  interleave(source, view.stride[2], n, tile, part);
}
template <class M, class T, class Part>
inline void scatter(const View& view, const Rows& rows, std::int64_t t0, int n, const T* tile, Part part) {
  M* target[Traits<T>::kLanes];
  for (int l = 0; l < Traits<T>::kLanes; ++l)
    target[l] = static_cast<M*>(view.data) + Port::at(view, rows.item(l), rows.channel(l), t0);
  deinterleave(target, view.stride[2], n, tile, part);
}

template <class T, class Part>
inline void gather_any(const View& view, const Rows& rows, std::int64_t t0, int n, T* tile, Part part) {
  if (view.bits == 32)
    gather<float>(view, rows, t0, n, tile, part);
  else
    gather<double>(view, rows, t0, n, tile, part);
}
template <class T, class Part>
inline void scatter_any(const View& view, const Rows& rows, std::int64_t t0, int n, const T* tile, Part part) {
  if (!view.data) return;
  if (view.bits == 32)
    scatter<float>(view, rows, t0, n, tile, part);
  else
    scatter<double>(view, rows, t0, n, tile, part);
}
#endif

/// Fetches samples [t0, t0 + n) ahead. The rows of a tile are many short streams, more than a processor
/// follows by itself: without it a backward pass over 11 MB waits for memory half of its time.
template <class T>
DSP_HD void prefetch_tile([[maybe_unused]] const Port& port, [[maybe_unused]] const Rows& rows,
                          [[maybe_unused]] std::int64_t t0, [[maybe_unused]] int n) {
#ifndef __CUDACC__
  if constexpr (Traits<T>::kLanes > 1) {
    if (t0 < 0 || t0 >= port.value.size[2] || port.value.stride[2] != 1 || !port.given()) return;
    constexpr int kLine = 64;
    const int bytes = port.value.bits / 8;
    for (int l = 0; l < Traits<T>::kLanes; ++l) {
      const char* from = static_cast<const char*>(port.value.data) + bytes * Port::at(port.value, rows.item(l), rows.channel(l), t0);
      for (int at = 0; at < n * bytes; at += kLine) __builtin_prefetch(from + at, 0, 2);
    }
  }
#endif
}

/// Samples [t0, t0 + n) of a signal (b, c, t), one element of the tile a sample.
template <class T>
DSP_HD void load_tile(const Port& port, const Rows& rows, std::int64_t t0, int n, T* tile) {
  if constexpr (Traits<T>::kLanes == 1) {
    const Port row = port.from(rows.item(0), rows.channel(0), t0);
    for (int i = 0; i < n; ++i) tile[i] = row.load<T>(0, 0, i);
  } else {
    gather_any(port.value, rows, t0, n, tile, ValuePart{});
    if constexpr (requires { tile->d; }) {
      if (port.tangent.data)
        gather_any(port.tangent, rows, t0, n, tile, TangentPart{});
      else
        for (int i = 0; i < n; ++i) tile[i].d[0] = 0;
    }
  }
}
template <class T>
DSP_HD void store_tile(const Port& port, const Rows& rows, std::int64_t t0, int n, const T* tile) {
  if constexpr (Traits<T>::kLanes == 1) {
    const Port row = port.from(rows.item(0), rows.channel(0), t0);
    for (int i = 0; i < n; ++i) row.store(tile[i], 0, 0, i);
  } else {
    scatter_any(port.value, rows, t0, n, tile, ValuePart{});
    if constexpr (requires { tile->d; }) scatter_any(port.tangent, rows, t0, n, tile, TangentPart{});
  }
}

}  // namespace
}  // namespace dsp
