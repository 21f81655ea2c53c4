// A port reads and writes one argument of a kernel as plain numbers, duals or packs of rows, so that
// an op is written once and never sees where its numbers come from.
#pragma once

#include <type_traits>

#include "dsp/dual.hpp"
#ifndef __CUDACC__
#include "dsp/pack.hpp"
#ifdef __SSE2__
#include <emmintrin.h>
#endif
#endif

namespace dsp {
namespace {

/// What a lane type is made of: `Real` is float or double, `Scalar` the type of one row, `kLanes` the
/// rows side by side, `Double` the same shape with 64-bit reals.
template <class T>
struct Traits {
  using Real = T;
  using Scalar = T;
  using Double = double;
  static constexpr int kLanes = 1;
};
template <class T>
struct Traits<Dual<T, 1>> {
  using Real = T;
  using Scalar = Dual<T, 1>;
  using Double = Dual<double, 1>;
  static constexpr int kLanes = 1;
};
#ifndef __CUDACC__
template <class T, int W>
struct Traits<Pack<T, W>> {
  using Real = T;
  using Scalar = T;
  using Double = Pack<double, W>;
  static constexpr int kLanes = W;
};
template <class T, int W>
struct Traits<Dual<Pack<T, W>, 1>> {
  using Real = T;
  using Scalar = Dual<T, 1>;
  using Double = Dual<Pack<double, W>, 1>;
  static constexpr int kLanes = W;
};
#endif

/// Lane `i` of `x`, and the same written; numbers and duals have one lane.
template <class T>
DSP_HD typename Traits<T>::Scalar lane(const T& x, int i) {
  if constexpr (Traits<T>::kLanes == 1) {
    return x;
  } else if constexpr (requires { x.d; }) {
    typename Traits<T>::Scalar r(x.v[i]);
    r.d[0] = x.d[0][i];
    return r;
  } else {
    return x[i];
  }
}
template <class T>
DSP_HD void set_lane(T& x, int i, const typename Traits<T>::Scalar& value) {
  if constexpr (Traits<T>::kLanes == 1) {
    x = value;
  } else if constexpr (requires { x.d; }) {
    x.v.set(i, value.v);
    x.d[0].set(i, value.d[0]);
  } else {
    x.set(i, value);
  }
}

/// float <-> double, through duals and packs.
template <class To, class From>
DSP_HD To cast(const From& x) {
  if constexpr (std::is_arithmetic_v<To>) {
    return To(x);
#ifndef __CUDACC__
  } else if constexpr (!requires { x.d; }) {
    return To(__builtin_convertvector(x.v, typename To::Vector));
#endif
  } else {
    To r(cast<decltype(To::v)>(x.v));
    r.d[0] = cast<decltype(To::v)>(x.d[0]);
    return r;
  }
}

/// One argument: its values, and its tangents where a dual kernel has them.
struct Port {
  View value, tangent;

  DSP_HD bool given() const { return value.data != nullptr; }
  DSP_HD std::int64_t size(int dim) const { return value.size[dim]; }

  /// Element at `offset` of the row starting at `base`; the views of a port have one layout each.
  template <class S>
  DSP_HD static S read(const View& view, std::int64_t offset) {
    return view.bits == 32 ? S(static_cast<const float*>(view.data)[offset])
                           : S(static_cast<const double*>(view.data)[offset]);
  }
  template <class S>
  DSP_HD static void put(const View& view, std::int64_t offset, S x) {
    if (view.bits == 32)
      static_cast<float*>(view.data)[offset] = float(x);
    else
      static_cast<double*>(view.data)[offset] = double(x);
  }
  template <class... Index>
  DSP_HD static std::int64_t at(const View& view, Index... index) {
    const std::int64_t list[] = {std::int64_t(index)...};
    std::int64_t offset = 0;
    for (int i = 0; i < int(sizeof...(index)); ++i) offset += list[i] * view.stride[i];
    return offset;
  }

  DSP_HD static void move(View& view, std::int64_t elements) {
    view.data = static_cast<char*>(view.data) + elements * (view.bits / 8);
  }
  /// The same port with `index` moved to its origin.
  template <class... Index>
  DSP_HD Port from(Index... index) const {
    Port r = *this;
    if (value.data) move(r.value, at(value, index...));
    if (tangent.data) move(r.tangent, at(tangent, index...));
    return r;
  }

  /// The number at `index`, as a plain number or with its tangent.
  template <class S, class... Index>
  DSP_HD S load(Index... index) const {
    if constexpr (std::is_arithmetic_v<S>) {
      return read<S>(value, at(value, index...));
    } else {
      using Real = decltype(S::v);
      S r(read<Real>(value, at(value, index...)));
      if (tangent.data) r.d[0] = read<Real>(tangent, at(tangent, index...));
      return r;
    }
  }
  template <class S, class... Index>
  DSP_HD void store(const S& x, Index... index) const {
    if constexpr (std::is_arithmetic_v<S>) {
      if (value.data) put(value, at(value, index...), x);
    } else {
      if (value.data) put(value, at(value, index...), x.v);
      if (tangent.data) put(tangent, at(tangent, index...), x.d[0]);
    }
  }
};

/// One row of a port along its last dimension, for the loops that count: memory of type M, numbers of
/// type T (M, or a dual of it).
template <class M, class T>
struct Series {
  M* value;
  M* tangent;
  std::int64_t value_step, tangent_step;

  template <class... Index>
  DSP_HD Series(const Port& port, Index... index)
      : value(static_cast<M*>(port.value.data)),
        tangent(static_cast<M*>(port.tangent.data)),
        value_step(port.value.stride[sizeof...(index)]),
        tangent_step(port.tangent.stride[sizeof...(index)]) {
    if (value) value += Port::at(port.value, index...);
    if (tangent) tangent += Port::at(port.tangent, index...);
  }
  DSP_HD T operator[](std::int64_t i) const {
    if constexpr (std::is_arithmetic_v<T>) {
      return T(value[i * value_step]);
    } else {
      T r(value[i * value_step]);
      if (tangent) r.d[0] = tangent[i * tangent_step];
      return r;
    }
  }
  DSP_HD void put(std::int64_t i, const T& x) const {
    if constexpr (std::is_arithmetic_v<T>) {
      if (value) value[i * value_step] = M(x);
    } else {
      if (value) value[i * value_step] = x.v;
      if (tangent) tangent[i * tangent_step] = x.d[0];
    }
  }
  /// Elements [first, first + n).
  DSP_HD void copy(std::int64_t first, int n, T* to) const {
    if constexpr (std::is_arithmetic_v<T>) {
      if (value_step == 1) {
        for (int i = 0; i < n; ++i) to[i] = value[first + i];
        return;
      }
    }
    for (int i = 0; i < n; ++i) to[i] = (*this)[first + i];
  }
  /// And back.
  DSP_HD void put_all(std::int64_t first, int n, const T* from) const {
    if constexpr (std::is_arithmetic_v<T>) {
      if (!value) return;
      if (value_step == 1) {
        for (int i = 0; i < n; ++i) value[first + i] = M(from[i]);
        return;
      }
    }
    for (int i = 0; i < n; ++i) put(first + i, from[i]);
  }
  /// `put_all` past the caches, for what is larger than they are: it would have to be read before it is
  /// written. `finish_streams` comes after the last.
  DSP_HD void stream_all(std::int64_t first, int n, const T* from) const {
#if defined(__SSE2__) && !defined(__CUDACC__)
    if constexpr (std::is_same_v<M, T>) {
      constexpr int kWidth = 16 / int(sizeof(M));
      if (value_step == 1 && reinterpret_cast<std::uintptr_t>(value + first) % 16 == 0) {
        int i = 0;
        for (; i + kWidth <= n; i += kWidth) {
          __m128i some;
          __builtin_memcpy(&some, from + i, 16);
          _mm_stream_si128(reinterpret_cast<__m128i*>(value + first + i), some);
        }
        for (; i < n; ++i) value[first + i] = from[i];
        return;
      }
    }
#endif
    put_all(first, n, from);
  }
  static DSP_HD void finish_streams() {
#if defined(__SSE2__) && !defined(__CUDACC__)
    _mm_sfence();
#endif
  }
  /// Fetches elements [first, first + n) ahead: a plane of coefficients is a stream of its own, and of many
  /// a processor follows a few by itself.
  DSP_HD void prefetch([[maybe_unused]] std::int64_t first, [[maybe_unused]] std::int64_t n) const {
#ifndef __CUDACC__
    if (value == nullptr || value_step != 1) return;
    constexpr int kLine = 64 / int(sizeof(M));
    for (std::int64_t i = 0; i < n; i += kLine) __builtin_prefetch(value + first + i, 0, 2);
#endif
  }
  /// Adds to what is there of value and tangent: outputs of a dual kernel have a tangent alone.
  DSP_HD void add_out(std::int64_t i, const T& x) const {
    if constexpr (std::is_arithmetic_v<T>) {
      value[i * value_step] += M(x);
    } else {
      if (value) value[i * value_step] += x.v;
      if (tangent) tangent[i * tangent_step] += x.d[0];
    }
  }
};

/// A row of a workspace or a scratch: those lie without gaps and, in a dual kernel, have tangents.
template <class M, class T>
struct Track {
  M* value;
  M* tangent;

  template <class... Index>
  DSP_HD Track(const Port& port, Index... index)
      : value(static_cast<M*>(port.value.data) + Port::at(port.value, index...)),
        tangent(std::is_arithmetic_v<T> ? nullptr : static_cast<M*>(port.tangent.data) + Port::at(port.tangent, index...)) {}
  DSP_HD T operator[](std::int64_t i) const {
    T r(value[i]);
    if constexpr (!std::is_arithmetic_v<T>) r.d[0] = tangent[i];
    return r;
  }
  DSP_HD void put(std::int64_t i, const T& x) const {
    if constexpr (std::is_arithmetic_v<T>) {
      value[i] = x;
    } else {
      value[i] = x.v;
      tangent[i] = x.d[0];
    }
  }
  DSP_HD void add(std::int64_t i, const T& x) const { put(i, (*this)[i] + x); }
};

}  // namespace
}  // namespace dsp
