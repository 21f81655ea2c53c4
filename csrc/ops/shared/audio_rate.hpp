// A bank of partials in float32 with controls per sample: samples lie side by side. Phases are carried in
// float64 from chunk to chunk, forwards and back, and are whole numbers of 2^-32 turns inside.
#pragma once

#include "ops/shared/turns.hpp"

#ifndef __CUDACC__
namespace dsp {
namespace {

/// n frequencies from `from` on, as steps of the phase, and their sum without whole turns.
template <class M>
inline double steps(const M* from, std::int64_t stride, int n, std::uint32_t* step) {
  M turns[kChunk];
  if (stride == 1 && n == kChunk) {
    std::memcpy(turns, from, sizeof turns);
  } else {
    for (int m = 0; m < kChunk; ++m) turns[m] = m < n ? from[m * stride] : M(0);
  }
  double sum[8] = {}, all = 0;
  for (int m = 0; m < kChunk; ++m) turns[m] -= std::floor(turns[m] + M(0.5));
  for (int m = 0; m < kChunk; ++m) step[m] = std::uint32_t(std::int32_t(turns[m] * M(4294967296.0)));
  for (int m = 0; m < kChunk; m += 8)
    for (int l = 0; l < 8; ++l) sum[l] += double(turns[m + l]);
  for (int l = 0; l < 8; ++l) all += sum[l];
  return all;
}

/// Lane i of `x` moved to lane i - by (by > 0) or i + |by|; zeros come in.
template <int by, class V>
inline V moved(V x) {
  constexpr int kCount = int(sizeof(V) / sizeof(x[0]));
  using Index = std::conditional_t<sizeof(x[0]) == 8, std::int64_t, std::int32_t>;
  using Indices [[gnu::vector_size(sizeof(V))]] = Index;
  Indices from;
  for (int i = 0; i < kCount; ++i) from[i] = i + by >= 0 && i + by < kCount ? i + by : kCount;
  return __builtin_shuffle(x, V{}, from);
}

inline Turns turns_at(const std::uint32_t* from) {
  Turns r;
  std::memcpy(&r, from, sizeof r);
  return r;
}

/// Phases at the chunk's samples, from the phase at its first one, within 2^-26 turns.
inline void phases(double phase, const std::uint32_t* step, std::uint32_t* turns) {
  std::uint32_t before = rounded(phase);
  for (int m = 0; m < kChunk; m += kFloats) {
    const Turns own = turns_at(step + m);
    Turns sum = own;
    sum += moved<-1>(sum);
    sum += moved<-2>(sum);
    if constexpr (kFloats > 4) sum += moved<-4>(sum);
    if constexpr (kFloats > 8) sum += moved<-8>(sum);
    const Turns here = sum - own + before;
    std::memcpy(turns + m, &here, sizeof here);
    before += sum[kFloats - 1];
  }
}

/// Lane i with the lanes after it added.
inline Floats with_later(Floats x) {
  auto sum = x.v;
  sum += moved<1>(sum);
  sum += moved<2>(sum);
  if constexpr (kFloats > 4) sum += moved<4>(sum);
  if constexpr (kFloats > 8) sum += moved<8>(sum);
  return sum;
}

inline void copy(const float* from, std::int64_t stride, int n, float* to) {
  if (stride == 1 && n == kChunk) {
    std::memcpy(to, from, sizeof(float) * kChunk);
  } else {
    for (int m = 0; m < kChunk; ++m) to[m] = m < n ? from[m * stride] : 0.0f;
  }
}
template <class M>
inline void paste(const Series<M, M>& to, std::int64_t first, int n, const M* from) {
  if (!to.value) return;
  if (to.value_step == 1 && n == kChunk) {
    std::memcpy(to.value + first, from, sizeof(M) * kChunk);
  } else {
    for (int m = 0; m < n; ++m) to.put(first + m, from[m]);
  }
}
/// The forward pass of a row, of frequencies of type M; `bank` has the op's ports and attributes.
template <class M, class Bank>
void audio_rate_sum(const Bank& bank, std::int64_t row) {
  const std::int64_t start = bank.attrs.value[1], length = bank.attrs.value[2];
  const int partials = int(bank.frequencies.size(1));
  const Series<double, double> last(bank.phase_out, row);
  const Series<float, float> out(bank.y, row);
  for (std::int64_t t = 0; t < length; t += kChunk) {
    const int n = int(length - t < kChunk ? length - t : kChunk);
    float sum[kChunk] = {};
    for (int k = 0; k < partials; ++k) {
      const Series<M, M> f(bank.frequencies, row, k);
      const Series<float, float> a(bank.amplitudes, row, k);
      std::uint32_t step[kChunk], turns[kChunk];
      float gain[kChunk];
      const double p = last[k], ahead = p + steps(f.value + (start + t) * f.value_step, f.value_step, n, step);
      phases(p, step, turns);
      copy(a.value + (start + t) * a.value_step, a.value_step, n, gain);
      const Floats lost = Floats(float(ahead * 0.0));
      for (int m = 0; m < kChunk; m += kFloats) {
        Floats s, c;
        sines(turns_at(turns + m), s, c);
        (Floats::at(sum + m) + Floats::at(gain + m) * s + lost).to(sum + m);
      }
      last.put(k, wrap(ahead));
    }
    for (int m = 0; m < n; ++m) out.put(t + m, sum[m]);
  }
}

/// The backward pass of a row, partial by partial.
template <class M, class Bank>
void audio_rate_back(const Bank& bank, std::int64_t row) {
  const std::int64_t start = bank.attrs.value[1], length = bank.attrs.value[2], frames = bank.frequencies.size(2);
  const Series<float, float> gout(bank.gy, row);
  for (std::int64_t k = 0; k < bank.frequencies.size(1); ++k) {
    const Series<M, M> f(bank.frequencies, row, k), gf(bank.gfrequencies, row, k);
    const Series<float, float> a(bank.amplitudes, row, k), ga(bank.gamplitudes, row, k);
    for (std::int64_t i = 0; i < frames; ++i) {
      if (i == start) i += length;
      if (i >= frames) break;
      gf.put(i, M(0));
      ga.put(i, 0.0f);
    }
    double p = bank.after.template load<double>(row, k);
    const Floats lost = Floats(float(p * 0.0));
    double gp = bank.gphase_out.template load<double>(row, k);
    for (std::int64_t t = length > 0 ? (length - 1) / kChunk * kChunk : -1; t >= 0; t -= kChunk) {
      const int n = int(length - t < kChunk ? length - t : kChunk);
      std::uint32_t step[kChunk], turns[kChunk];
      float gain[kChunk], g[kChunk], gs[kChunk];
      M owed[kChunk];
      p = wrap(p - steps(f.value + (start + t) * f.value_step, f.value_step, n, step));
      phases(p, step, turns);
      copy(a.value + (start + t) * a.value_step, a.value_step, n, gain);
      copy(gout.value + t * gout.value_step, gout.value_step, n, g);
      for (int m = kChunk - kFloats; m >= 0; m -= kFloats) {
        Floats s, c;
        sines(turns_at(turns + m), s, c);
        const Floats own = Floats::at(g + m);
        (own * s + lost).to(gs + m);
        // A frequency owes what the phases after its sample do.
        const Floats sum = with_later(own * Floats::at(gain + m) * c * Floats(6.2831853f) + lost);
        const Floats later = moved<1>(sum.v);
        for (int l = 0; l < kFloats; ++l) owed[m + l] = M(M(gp) + M(later.v[l]));
        gp += double(sum[0]);
      }
      paste(ga, start + t, n, gs);
      paste(gf, start + t, n, owed);
    }
    bank.gphase.store(gp, row, k);
  }
}

}  // namespace
}  // namespace dsp
#endif
