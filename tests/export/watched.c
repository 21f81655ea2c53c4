/* Runs a LADSPA plug-in as a host would, parameters moving, blocks of every length, under realtime.c. */
#include "watched.h"

#include "ladspa.h"

enum { kPorts = 128 };

int main(int count, char** words) {
  void* library = opened(words);
  if (library == NULL) return 2;
  LADSPA_Descriptor_Function find = (LADSPA_Descriptor_Function)dlsym(library, "ladspa_descriptor");
  const LADSPA_Descriptor* d = find(0);
  LADSPA_Handle plugin = d->instantiate(d, 48000);
  static float audio[kRows][kLongest], controls[kPorts];
  int channel = 0;
  for (unsigned long p = 0; p < d->PortCount; ++p) {
    const int audible = LADSPA_IS_PORT_AUDIO(d->PortDescriptors[p]);
    const LADSPA_PortRangeHint* hint = &d->PortRangeHints[p];
    controls[p] = 0.5f * (hint->LowerBound + hint->UpperBound);
    d->connect_port(plugin, p, audible ? audio[channel++] : &controls[p]);
  }
  if (d->activate) d->activate(plugin);
  for (int block = 0; block < kBlocks; ++block) {
    fill(audio, block);
    if (block % 20 == 10)
      for (unsigned long p = 0; p < d->PortCount; ++p) {
        const LADSPA_PortRangeHint* hint = &d->PortRangeHints[p];
        if (LADSPA_IS_PORT_CONTROL(d->PortDescriptors[p]) && LADSPA_IS_PORT_INPUT(d->PortDescriptors[p]))
          controls[p] = hint->LowerBound + (hint->UpperBound - hint->LowerBound) * (float)(block % 7) / 7.0f;
      }
    watch_begin();
    d->run(plugin, (unsigned long)length_of(block));
    if (sinned(count)) return 1;
    for (int i = 0; i < length_of(block); ++i)
      if (!isfinite(audio[2][i])) {
        printf("not finite\n");
        return 1;
      }
  }
  printf("no sins\n");
  if (d->deactivate) d->deactivate(plugin);
  d->cleanup(plugin);
  return 0;
}
