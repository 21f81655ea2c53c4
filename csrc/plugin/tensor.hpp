// The few operations on tensors that lie between kernels: element by element with broadcasting,
// reductions, sums of products, copies of parts. Truth values are numbers, 0 or 1.
#pragma once

#include <initializer_list>

#include "plugin/memory.hpp"

namespace dsp::plugin {
namespace {

using Sizes = std::initializer_list<std::int64_t>;

template <class T>
View seen(T* data, std::int64_t offset, Sizes sizes, Sizes strides) {
  View v;
  v.data = data + offset;
  v.bits = 8 * sizeof(T);
  v.ndim = std::int32_t(sizes.size());
  int i = 0;
  for (std::int64_t s : sizes) v.size[i++] = s;
  i = 0;
  for (std::int64_t s : strides) v.stride[i++] = s;
  return v;
}
/// Without gaps.
template <class T>
View dense(T* data, std::int64_t offset, Sizes sizes) {
  View v = seen(data, offset, sizes, {});
  std::int64_t stride = 1;
  for (int i = v.ndim - 1; i >= 0; --i) {
    v.stride[i] = stride;
    stride *= v.size[i];
  }
  return v;
}
inline std::int64_t count(Sizes sizes) {
  std::int64_t n = 1;
  for (std::int64_t s : sizes) n *= s;
  return n;
}

/// `v` as if it had the sizes of `like`: dimensions in front and those of size 1 repeat.
inline View broadcast(const View& v, const View& like) {
  View r = v;
  r.ndim = like.ndim;
  const int more = like.ndim - v.ndim;
  for (int i = like.ndim - 1; i >= 0; --i) {
    const bool own = i >= more && v.size[i - more] != 1;
    r.size[i] = like.size[i];
    r.stride[i] = own ? v.stride[i - more] : 0;
  }
  return r;
}

/// Calls use(offset of each view) at the start of every row along the last dimension of the first.
template <int N, class Use>
void each_row(const View* const (&views)[N], Use use) {
  const View& shape = *views[0];
  const int outer = shape.ndim > 0 ? shape.ndim - 1 : 0;
  for (int i = 0; i < shape.ndim; ++i)
    if (shape.size[i] == 0) return;
  std::int64_t index[kMaxDims] = {}, offset[N] = {};
  for (;;) {
    use(offset);
    int d = outer - 1;
    for (; d >= 0; --d) {
      for (int k = 0; k < N; ++k) offset[k] += views[k]->stride[d];
      if (++index[d] < shape.size[d]) break;
      for (int k = 0; k < N; ++k) offset[k] -= views[k]->stride[d] * shape.size[d];
      index[d] = 0;
    }
    if (d < 0) return;
  }
}
inline std::int64_t last_size(const View& v) { return v.ndim ? v.size[v.ndim - 1] : 1; }
inline std::int64_t last_stride(const View& v) { return v.ndim ? v.stride[v.ndim - 1] : 0; }

template <class T>
T* memory(const View& v) {
  return static_cast<T*>(v.data);
}

/// out = F(a), computed in C.
template <class F, class C, class Out, class A>
void map(const View& out, const View& a) {
  const View x = broadcast(a, out);
  const std::int64_t n = last_size(out), so = last_stride(out), sx = last_stride(x);
  each_row<2>({&out, &x}, [&](const std::int64_t* at) {
    Out* const to = memory<Out>(out) + at[0];
    const A* const from = memory<A>(x) + at[1];
    for (std::int64_t i = 0; i < n; ++i) to[i * so] = Out(F::of(C(from[i * sx])));
  });
}
/// out = F(a, b), computed in C.
template <class F, class C, class Out, class A, class B>
void map(const View& out, const View& a, const View& b) {
  const View x = broadcast(a, out), y = broadcast(b, out);
  const std::int64_t n = last_size(out), so = last_stride(out), sx = last_stride(x), sy = last_stride(y);
  each_row<3>({&out, &x, &y}, [&](const std::int64_t* at) {
    Out* const to = memory<Out>(out) + at[0];
    const A* const from = memory<A>(x) + at[1];
    const B* const with = memory<B>(y) + at[2];
    for (std::int64_t i = 0; i < n; ++i) to[i * so] = Out(F::of(C(from[i * sx]), C(with[i * sy])));
  });
}
/// out = F(a, b, c), computed in C.
template <class F, class C, class Out, class A, class B, class D>
void map(const View& out, const View& a, const View& b, const View& c) {
  const View x = broadcast(a, out), y = broadcast(b, out), z = broadcast(c, out);
  const std::int64_t n = last_size(out), so = last_stride(out);
  const std::int64_t sx = last_stride(x), sy = last_stride(y), sz = last_stride(z);
  each_row<4>({&out, &x, &y, &z}, [&](const std::int64_t* at) {
    Out* const to = memory<Out>(out) + at[0];
    const A* const p = memory<A>(x) + at[1];
    const B* const q = memory<B>(y) + at[2];
    const D* const r = memory<D>(z) + at[3];
    for (std::int64_t i = 0; i < n; ++i)
      to[i * so] = Out(F::of(C(p[i * sx]), C(q[i * sy]), C(r[i * sz])));
  });
}

struct Same {
  template <class T>
  static T of(T x) {
    return x;
  }
};
template <class T>
void copy(const View& out, const View& from) {
  map<Same, T, T, T>(out, from);
}
template <class T>
void fill(const View& out, double value) {
  const View constant = seen(&value, 0, {}, {});
  map<Same, double, T, double>(out, constant);
}
/// start, start + step, ...
template <class T>
void count_up(const View& out, double start, double step) {
  for (std::int64_t i = 0; i < out.size[0]; ++i) memory<T>(out)[i * out.stride[0]] = T(start + double(i) * step);
}

/// Folds the dimensions in the bit set `dims` of `a` by F, starting from `first`, times `scale`.
template <class F, class Out, class A>
void reduce(const View& out, const View& a, unsigned dims, double first, double scale) {
  fill<Out>(out, first);
  View to = a;  // like a, but standing still along the dimensions that go
  to.data = out.data;
  const bool kept = out.ndim == a.ndim;
  for (int i = 0, j = 0; i < a.ndim; ++i) {
    const bool goes = dims >> i & 1u;
    to.stride[i] = goes ? 0 : out.stride[j];
    if (!goes || kept) ++j;
  }
  const std::int64_t n = last_size(a), so = last_stride(to), sa = last_stride(a);
  each_row<2>({&a, &to}, [&](const std::int64_t* at) {
    Out* const sum = memory<Out>(out) + at[1];
    const A* const from = memory<A>(a) + at[0];
    for (std::int64_t i = 0; i < n; ++i) sum[i * so] = F::of(sum[i * so], Out(from[i * sa]));
  });
  if (scale != 1.0)
    each_row<1>({&out}, [&](const std::int64_t* at) {
      for (std::int64_t i = 0; i < last_size(out); ++i)
        memory<Out>(out)[at[0] + i * last_stride(out)] *= Out(scale);
    });
}
/// out[..., i, ...] = a[..., 0, ...] + ... + a[..., i, ...].
template <class T>
void add_up(const View& out, const View& a, int dim) {
  View now = out, before = out, from = a;
  now.size[dim] = before.size[dim] = from.size[dim] = 1;
  for (std::int64_t i = 0; i < a.size[dim]; ++i) {
    now.data = memory<T>(out) + i * out.stride[dim];
    before.data = memory<T>(out) + (i - 1) * out.stride[dim];
    from.data = memory<T>(a) + i * a.stride[dim];
    const std::int64_t n = last_size(now), s = last_stride(now), sa = last_stride(from);
    each_row<2>({&now, &from}, [&](const std::int64_t* at) {
      for (std::int64_t k = 0; k < n; ++k)
        memory<T>(now)[at[0] + k * s] =
            memory<T>(from)[at[1] + k * sa] + (i ? memory<T>(before)[at[0] + k * s] : T(0));
    });
  }
}

/// One after the other along `dim`.
template <class T>
void join(const View& out, int dim, std::initializer_list<View> parts) {
  std::int64_t at = 0;
  for (const View& part : parts) {
    if (part.ndim == 1 && out.ndim > 1) continue;  // an empty one, which torch lets pass
    View to = out;
    to.size[dim] = part.size[dim];
    to.data = memory<T>(out) + at * out.stride[dim];
    copy<T>(to, part);
    at += part.size[dim];
  }
}
/// Side by side along a new dimension.
template <class T>
void stack(const View& out, int dim, std::initializer_list<View> parts) {
  std::int64_t at = 0;
  for (const View& part : parts) {
    View to = out;
    for (int i = dim; i + 1 < out.ndim; ++i) {
      to.size[i] = out.size[i + 1];
      to.stride[i] = out.stride[i + 1];
    }
    --to.ndim;
    to.data = memory<T>(out) + at * out.stride[dim];
    copy<T>(to, part);
    ++at;
  }
}
/// `a` again and again, as often as it fits into every dimension.
template <class T>
void tile(const View& out, const View& a) {
  View from = a;
  const int more = out.ndim - a.ndim;
  for (int i = out.ndim - 1; i >= 0; --i) {
    from.size[i] = i < more ? 1 : a.size[i - more];
    from.stride[i] = i < more ? 0 : a.stride[i - more];
  }
  from.ndim = out.ndim;
  std::int64_t turn[kMaxDims] = {};
  for (int d = 0; d >= 0;) {
    View to = out;
    std::int64_t at = 0;
    for (int i = 0; i < out.ndim; ++i) {
      to.size[i] = from.size[i];
      at += turn[i] * from.size[i] * out.stride[i];
    }
    to.data = memory<T>(out) + at;
    copy<T>(to, from);
    for (d = out.ndim - 1; d >= 0; --d) {
      if (++turn[d] * from.size[d] < out.size[d]) break;
      turn[d] = 0;
    }
  }
}
/// Zeros (or `value`) around `a`: `before` samples in front of the last dimension.
template <class T>
void pad(const View& out, const View& a, std::int64_t before, double value) {
  fill<T>(out, value);
  View to = out, from = a;
  const int d = out.ndim - 1;
  const std::int64_t first = before > 0 ? before : 0, skipped = before < 0 ? -before : 0;
  const std::int64_t room = out.size[d] - first, there = a.size[d] - skipped;
  to.size[d] = from.size[d] = room < there ? room : there;
  to.data = memory<T>(out) + first * out.stride[d];
  from.data = memory<T>(a) + skipped * a.stride[d];
  copy<T>(to, from);
}
/// From `start` to `end`, both ends included, as torch.linspace counts.
template <class T>
void line_up(const View& out, double start, double end) {
  const std::int64_t n = last_size(out), s = last_stride(out);
  const double step = n > 1 ? (end - start) / double(n - 1) : 0.0;
  for (std::int64_t i = 0; i < n; ++i)
    memory<T>(out)[i * s] = T(i < n / 2 ? start + step * double(i) : n > 1 ? end - step * double(n - 1 - i) : start);
}
/// x with a x = b for each item, (i, k, k) and (i, k) or (i, k, m), by elimination in `lu`.
template <class T>
void solve(const View& x, const View& lu, const View& a, const View& b) {
  copy<T>(lu, a);
  copy<T>(x, b);
  const int d = a.ndim - 2;
  const std::int64_t items = d ? a.size[0] : 1, k = a.size[d], across = b.ndim - d == 2 ? b.size[d + 1] : 1;
  const std::int64_t down = x.stride[d], right = b.ndim - d == 2 ? x.stride[d + 1] : 0;
  for (std::int64_t item = 0; item < items; ++item) {
    T* const m = memory<T>(lu) + (d ? item * lu.stride[0] : 0);
    T* const y = memory<T>(x) + (d ? item * x.stride[0] : 0);
    const auto at = [&](std::int64_t i, std::int64_t j) -> T& { return m[i * lu.stride[d] + j * lu.stride[d + 1]]; };
    for (std::int64_t p = 0; p < k; ++p) {
      std::int64_t best = p;
      for (std::int64_t i = p + 1; i < k; ++i)
        if (std::fabs(at(i, p)) > std::fabs(at(best, p))) best = i;
      if (best != p) {
        for (std::int64_t j = 0; j < k; ++j) std::swap(at(p, j), at(best, j));
        for (std::int64_t j = 0; j < across; ++j) std::swap(y[p * down + j * right], y[best * down + j * right]);
      }
      for (std::int64_t i = p + 1; i < k; ++i) {
        const T share = at(i, p) / at(p, p);
        for (std::int64_t j = p; j < k; ++j) at(i, j) -= share * at(p, j);
        for (std::int64_t j = 0; j < across; ++j) y[i * down + j * right] -= share * y[p * down + j * right];
      }
    }
    for (std::int64_t j = 0; j < across; ++j)
      for (std::int64_t i = k - 1; i >= 0; --i) {
        T sum = y[i * down + j * right];
        for (std::int64_t q = i + 1; q < k; ++q) sum -= at(i, q) * y[q * down + j * right];
        y[i * down + j * right] = sum / at(i, i);
      }
  }
}
/// The largest number so far along the last dimension.
template <class T>
void largest_so_far(const View& out, const View& a) {
  const std::int64_t n = last_size(out), s = last_stride(out), sa = last_stride(a);
  each_row<2>({&out, &a}, [&](const std::int64_t* at) {
    T largest = memory<T>(a)[at[1]];
    for (std::int64_t i = 0; i < n; ++i) {
      const T x = memory<T>(a)[at[1] + i * sa];
      memory<T>(out)[at[0] + i * s] = largest = x > largest ? x : largest;
    }
  });
}
/// out[..., i] = a[..., places[..., i]].
template <class T>
void gather(const View& out, const View& a, const View& places) {
  View from = a;
  from.size[a.ndim - 1] = last_size(out);
  const std::int64_t n = last_size(out), s = last_stride(out), sa = last_stride(a), sp = last_stride(places);
  each_row<3>({&out, &from, &places}, [&](const std::int64_t* at) {
    for (std::int64_t i = 0; i < n; ++i)
      memory<T>(out)[at[0] + i * s] = memory<T>(from)[at[1] + std::int64_t(memory<double>(places)[at[2] + i * sp]) * sa];
  });
}
template <class T>
void flip(const View& out, const View& a, unsigned dims) {
  View from = a;
  std::int64_t shift = 0;
  for (int i = 0; i < a.ndim; ++i)
    if (dims >> i & 1u) {
      shift += (a.size[i] - 1) * a.stride[i];
      from.stride[i] = -a.stride[i];
    }
  from.data = memory<T>(a) + shift;
  copy<T>(out, from);
}

/// out[b, i, j] = sum over k of a[b, i, k] c[b, k, j]; without b for matrices.
template <class T>
void product(const View& out, const View& a, const View& c) {
  const int o = out.ndim - 2;
  const std::int64_t items = o ? out.size[0] : 1;
  for (std::int64_t b = 0; b < items; ++b) {
    const T* const x = memory<T>(a) + (o ? b * a.stride[0] : 0);
    const T* const y = memory<T>(c) + (o ? b * c.stride[0] : 0);
    T* const to = memory<T>(out) + (o ? b * out.stride[0] : 0);
    for (std::int64_t i = 0; i < out.size[o]; ++i)
      for (std::int64_t j = 0; j < out.size[o + 1]; ++j) {
        T sum(0);
        for (std::int64_t k = 0; k < a.size[o + 1]; ++k)
          sum += x[i * a.stride[o] + k * a.stride[o + 1]] * y[k * c.stride[o] + j * c.stride[o + 1]];
        to[i * out.stride[o] + j * out.stride[o + 1]] = sum;
      }
  }
}
/// out[b, o, t] = sum over i, k of x[b, i, step t + k] taps[o, i, k].
template <class T>
void correlate(const View& out, const View& x, const View& taps, std::int64_t step) {
  for (std::int64_t b = 0; b < out.size[0]; ++b)
    for (std::int64_t o = 0; o < out.size[1]; ++o)
      for (std::int64_t t = 0; t < out.size[2]; ++t) {
        T sum(0);
        for (std::int64_t i = 0; i < x.size[1]; ++i) {
          const T* const from = memory<T>(x) + b * x.stride[0] + i * x.stride[1] + step * t * x.stride[2];
          const T* const h = memory<T>(taps) + o * taps.stride[0] + i * taps.stride[1];
          for (std::int64_t k = 0; k < taps.size[2]; ++k) sum += from[k * x.stride[2]] * h[k * taps.stride[2]];
        }
        memory<T>(out)[b * out.stride[0] + o * out.stride[1] + t * out.stride[2]] = sum;
      }
}

}  // namespace
}  // namespace dsp::plugin
