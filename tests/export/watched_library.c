/* Plays an exported C library as a host would, parameters moving, keys going up and down, blocks of every
 * length, under realtime.c. */
#include "watched.h"

#include "dspcore.h"

#define FUNCTION(result, name, parameters) result(*name) parameters = (result(*) parameters)dlsym(library, "dspcore_" #name)

int main(int count, char** words) {
  void* library = opened(words);
  if (library == NULL) return 2;
  FUNCTION(dspcore_chain*, create, (double));
  FUNCTION(void, destroy, (dspcore_chain*));
  FUNCTION(int, parameters, (void));
  FUNCTION(const dspcore_parameter*, describe, (int));
  FUNCTION(void, set, (dspcore_chain*, int, double));
  FUNCTION(void, process, (dspcore_chain*, const float* const*, float* const*, int64_t));
  FUNCTION(void, note_on, (dspcore_chain*, int, int));
  FUNCTION(void, note_off, (dspcore_chain*, int));
  FUNCTION(void, reset, (dspcore_chain*));
  dspcore_chain* chain = create(48000.0);
  static float in[kRows][kLongest], out[kRows][kLongest];
  const float* inputs[kRows];
  float* outputs[kRows];
  for (int c = 0; c < kRows; ++c) {
    inputs[c] = in[c];
    outputs[c] = out[c];
  }
  float loudest = 0;
  for (int block = 0; block < kBlocks; ++block) {
    fill(in, block);
    watch_begin();
    for (int i = 0; block % 20 == 10 && i < parameters(); ++i) {
      const dspcore_parameter* p = describe(i);
      set(chain, i, p->minimum + (p->maximum - p->minimum) * (block % 7) / 7.0);
    }
    if (block % 3 == 0) note_on(chain, 30 + block % 61, 1 + block % 127);
    if (block % 4 == 0) note_off(chain, 30 + block % 61);
    if (block == 350) note_off(chain, -1);
    if (block == 380) reset(chain);
    process(chain, inputs, outputs, length_of(block));
    if (sinned(count)) return 1;
    for (int i = 0; i < length_of(block); ++i)
      loudest = isfinite(out[0][i]) ? fmaxf(loudest, fabsf(out[0][i])) : INFINITY;
  }
  printf(isfinite(loudest) ? loudest > 1e-4f ? "no sins\n" : "silent\n" : "not finite\n");
  destroy(chain);
  return 0;
}
