// A delay line of whole samples in as much memory as it is long.
#pragma once

#include <cstring>

#include "dsp/port.hpp"

namespace dsp {
namespace {

/// A line of `size` samples gone round: the sample read at a place makes room for the one written.
template <class T>
struct Loop {
  using Real = typename Traits<T>::Real;
  Real *value, *tangent;
  std::int64_t size, place;

  DSP_HD std::int64_t at(int m) const { return place + m < size ? place + m : place + m - size; }
  DSP_HD T get(int m) const {
    T r(value[at(m)]);
    if constexpr (!std::is_arithmetic_v<T>) r.d[0] = tangent[at(m)];
    return r;
  }
  DSP_HD void put(int m, const T& x) const {
    if constexpr (std::is_arithmetic_v<T>) {
      value[at(m)] = x;
    } else {
      value[at(m)] = x.v;
      tangent[at(m)] = x.d[0];
    }
  }
  /// The next n samples, n <= size.
  DSP_HD void read(int n, T* to) const {
    if constexpr (std::is_arithmetic_v<T>) {
      const int first = place + n <= size ? n : int(size - place);
      std::memcpy(to, value + place, sizeof(T) * std::size_t(first));
      std::memcpy(to + first, value, sizeof(T) * std::size_t(n - first));
    } else {
      for (int m = 0; m < n; ++m) to[m] = get(m);
    }
  }
  DSP_HD void write(int n, const T* from) const {
    if constexpr (std::is_arithmetic_v<T>) {
      const int first = place + n <= size ? n : int(size - place);
      std::memcpy(value + place, from, sizeof(T) * std::size_t(first));
      std::memcpy(value, from + first, sizeof(T) * std::size_t(n - first));
    } else {
      for (int m = 0; m < n; ++m) put(m, from[m]);
    }
  }
  /// The next n samples where they lie, or in `spare` where they go round the end: to look at, or to change
  /// and then `keep`.
  DSP_HD T* ahead(int n, T* spare) const {
    if (whole(n)) return value_at();
    read(n, spare);
    return spare;
  }
  /// Where to put the next n samples, before `keep`.
  DSP_HD T* room(int n, T* spare) const { return whole(n) ? value_at() : spare; }
  DSP_HD void keep(int n, const T* spare) const {
    if (!whole(n)) write(n, spare);
  }
  DSP_HD bool whole(int n) const { return std::is_arithmetic_v<T> && place + n <= size; }
  DSP_HD T* value_at() const {
    if constexpr (std::is_arithmetic_v<T>) return value + place;
    return nullptr;
  }
  /// n <= size samples on, or back.
  DSP_HD void advance(std::int64_t n) {
    place += n;
    if (place >= size) place -= size;
  }
  DSP_HD void retreat(std::int64_t n) {
    place -= n;
    if (place < 0) place += size;
  }
};

}  // namespace
}  // namespace dsp
