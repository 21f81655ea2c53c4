/* A chain exported by `dspcore export --format c`, for any language that can call C.
 *
 *   dspcore_chain* chain = dspcore_create(48000.0);
 *   dspcore_set(chain, 0, -6.0);
 *   dspcore_process(chain, inputs, outputs, 512);
 *   dspcore_destroy(chain);
 *
 * One thread at a time may process, reset, save or load a chain; dspcore_set and dspcore_get may be
 * called from any other meanwhile. Only create and destroy take or give back memory. */
#ifndef DSPCORE_H
#define DSPCORE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct dspcore_chain dspcore_chain;

/* A parameter: what it is called, its unit ("" for none), what it does, range and value at first, and
 * whether its scale is logarithmic. */
typedef struct {
  const char* name;
  const char* symbol;
  const char* unit;
  const char* doc;
  double minimum, maximum, start;
  int logarithmic;
} dspcore_parameter;

/* What this chain has. */
int dspcore_inputs(void);
int dspcore_outputs(void);
int dspcore_parameters(void);
const dspcore_parameter* dspcore_describe(int index); /* null beyond the last */

/* A chain that has heard nothing, for a sample rate in Hz; null where that is none that it can play at, or
 * memory is short. */
dspcore_chain* dspcore_create(double sample_rate);
void dspcore_destroy(dspcore_chain* chain);

/* A parameter in its unit; kept within its range. It is reached 20 ms after the next block begins. */
void dspcore_set(dspcore_chain* chain, int index, double value);
double dspcore_get(const dspcore_chain* chain, int index);

/* Any number of samples; channels lie apart. Outputs may be the inputs. */
void dspcore_process(dspcore_chain* chain, const float* const* inputs, float* const* outputs, int64_t samples);
/* Of an instrument: a key goes down, or up, at the next sample (pitch and velocity as MIDI has them); with
 * pitch -1 all keys go up. Chains of effects know no keys. */
int dspcore_is_instrument(void);
void dspcore_note_on(dspcore_chain* chain, int pitch, int velocity);
void dspcore_note_off(dspcore_chain* chain, int pitch);
/* Forgets everything heard; parameters are at once where they were set. */
void dspcore_reset(dspcore_chain* chain);
/* How many samples late the output is. */
int64_t dspcore_latency(const dspcore_chain* chain);

/* Parameters and all that the chain remembers of the sound, to go on from exactly there. dspcore_load
 * is 0, and changes nothing, where the state is not one of this chain at this sample rate. */
size_t dspcore_state_size(const dspcore_chain* chain);
void dspcore_save(const dspcore_chain* chain, void* state);
int dspcore_load(dspcore_chain* chain, const void* state, size_t size);

#ifdef __cplusplus
}
#endif
#endif
