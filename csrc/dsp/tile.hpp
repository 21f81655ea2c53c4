// Tiles: a stretch of samples of the rows on the lanes, lying with the lanes side by side.
#pragma once

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
  DSP_HD std::int64_t item(int lane) const { return row(lane) / channels; }
  DSP_HD std::int64_t channel(int lane) const { return row(lane) % channels; }
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

#ifndef __CUDACC__
template <class M, class T, int W>
inline void gather(const View& view, const Rows& rows, std::int64_t t0, int n, Pack<T, W>* tile) {
  const M* source[W];
  for (int l = 0; l < W; ++l)
    source[l] = static_cast<const M*>(view.data) + Port::at(view, rows.item(l), rows.channel(l), t0);
  const std::int64_t step = view.stride[2];
  if (step == 1) {
    for (int i = 0; i < n; ++i)
      for (int l = 0; l < W; ++l) tile[i].v[l] = T(source[l][i]);
  } else {
    for (int i = 0; i < n; ++i)
      for (int l = 0; l < W; ++l) tile[i].v[l] = T(source[l][i * step]);
  }
}
template <class M, class T, int W>
inline void scatter(const View& view, const Rows& rows, std::int64_t t0, int n, const Pack<T, W>* tile) {
  for (int l = 0; l < W; ++l) {
    M* target = static_cast<M*>(view.data) + Port::at(view, rows.item(l), rows.channel(l), t0);
    const std::int64_t step = view.stride[2];
    for (int i = 0; i < n; ++i) target[i * step] = M(tile[i].v[l]);
  }
}
#endif

/// Samples [t0, t0 + n) of a signal (b, c, t), one element of the tile a sample.
template <class T>
DSP_HD void load_tile(const Port& port, const Rows& rows, std::int64_t t0, int n, T* tile) {
  if constexpr (Traits<T>::kLanes == 1) {
    const Port row = port.from(rows.item(0), rows.channel(0), t0);
    for (int i = 0; i < n; ++i) tile[i] = row.load<T>(0, 0, i);
  } else {
    if (port.value.bits == 32)
      gather<float>(port.value, rows, t0, n, tile);
    else
      gather<double>(port.value, rows, t0, n, tile);
  }
}
template <class T>
DSP_HD void store_tile(const Port& port, const Rows& rows, std::int64_t t0, int n, const T* tile) {
  if constexpr (Traits<T>::kLanes == 1) {
    const Port row = port.from(rows.item(0), rows.channel(0), t0);
    for (int i = 0; i < n; ++i) row.store(tile[i], 0, 0, i);
  } else if (port.value.data) {
    if (port.value.bits == 32)
      scatter<float>(port.value, rows, t0, n, tile);
    else
      scatter<double>(port.value, rows, t0, n, tile);
  }
}

}  // namespace
}  // namespace dsp
