// Polyphony of an exported instrument: keys that go down take voices of a pool, all voices are added.
#pragma once

#include "plugin/chain.hpp"

namespace dsp::plugin {
namespace {

/// What one voice is told when its note begins: the place in `kept` of its notes' values.
enum { kPitch, kVelocity, kGate, kNumber, kFirstHeld };
constexpr double kNotYet = 1e15;  // samples until a key is let go that is still down

/// `Voice` is a part of the chain; `kHeld` are the parameters that keep their value while a note sounds,
/// the one at `kRelease` among them says how long it rings.
template <class Voice, int kVoices, int kOut, int kHeldCount, int kRelease>
struct Polyphony {
  static constexpr int kSettings[] = {-1};
  struct Key {
    std::int64_t pitch, age, length, down, fresh, order;  // length 0: the voice is free
  };
  Chain* chain = nullptr;
  Voice voices[kVoices];
  Key* keys = nullptr;
  std::int64_t* clock = nullptr;  // samples since the last reset
  double* made = nullptr;
  double rate = 0;

  void place(Arena& arena, Chain& c, double r) {
    chain = &c;
    rate = r;
    keys = arena.take<Key>(kVoices);
    clock = arena.take<std::int64_t>(1);
    made = arena.take<double>(kOut * kBlock);
    for (Voice& voice : voices) voice.place(arena, c, r);
  }
  void fill_in() {
    for (Voice& voice : voices) voice.fill_in();
  }
  void prepare() {
    for (Voice& voice : voices) voice.prepare();
  }
  void reset() {
    *clock = 0;
    std::memset(keys, 0, kVoices * sizeof(Key));
    for (Voice& voice : voices) voice.reset();
  }

  /// Takes a free voice; else the one let go first, else the oldest.
  void note_on(int pitch, int velocity) {
    int best = 0;
    for (int v = 0; v < kVoices; ++v)
      if (rank(keys[v]) < rank(keys[best])) best = v;
    Voice& voice = voices[best];
    keys[best] = {pitch, 0, std::int64_t(kNotYet), 1, 1, *clock};
    voice.reset();
    voice.kept[kPitch] = pitch;
    voice.kept[kVelocity] = velocity / 127.0;
    voice.kept[kGate] = kNotYet;
    voice.kept[kNumber] = double(*clock * 128 + pitch);
  }
  /// Lets the key of this pitch go that has been down longest.
  void note_off(int pitch) {
    int found = -1;
    for (int v = 0; v < kVoices; ++v)
      if (keys[v].length && keys[v].down && keys[v].pitch == pitch && (found < 0 || keys[v].order < keys[found].order)) found = v;
    if (found >= 0) let_go(found);
  }
  void all_off() {
    for (int v = 0; v < kVoices; ++v)
      if (keys[v].length && keys[v].down) let_go(v);
  }

  void run(std::int64_t n, bool, bool) {
    std::memset(made, 0, std::size_t(kOut * n) * sizeof(double));
    for (int v = 0; v < kVoices; ++v) {
      Key& key = keys[v];
      if (key.length == 0) continue;
      Voice& voice = voices[v];
      if (key.fresh) {
        for (int i = 0; i < kHeldCount; ++i) voice.kept[kFirstHeld + i] = setting_values(chain, Voice::kHeld[i])[0];
        voice.forget();
        if (!key.down) key.length = ends(voice);
        key.fresh = 0;
      }
      *voice.age = key.age;
      part_run(chain, v, n);
      for (int c = 0; c < kOut; ++c)
        for (std::int64_t i = 0; i < n; ++i) made[c * n + i] += voice.made[i];
      key.age += n;
      if (key.age >= key.length) key.length = 0;
    }
    *clock += n;
  }

 private:
  static std::int64_t rank(const Key& key) { return key.length == 0 ? -1 : key.down ? key.order + (std::int64_t(1) << 60) : key.order; }
  std::int64_t ends(const Voice& voice) const {
    return std::int64_t(voice.kept[kGate] + std::ceil(voice.kept[kFirstHeld + kRelease] / 1000 * rate));
  }
  void let_go(int v) {
    keys[v].down = 0;
    voices[v].kept[kGate] = double(keys[v].age > 1 ? keys[v].age : 1);
    if (!keys[v].fresh) keys[v].length = ends(voices[v]);
    voices[v].forget();
  }
};

}  // namespace
}  // namespace dsp::plugin
