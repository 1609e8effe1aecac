/* Many inferences of a generated model on a host computer, for accuracy over a test set and for tests. */
#ifndef HOST_BATCH_H
#define HOST_BATCH_H

#include <stdint.h>

/* Runs the model count times in one arena. A sample is the bytes of all inputs one after another, a result
 * the bytes of all outputs; both arrays are dense. */
void host_batch(uint8_t *arena, const uint8_t *samples, uint8_t *results, uint64_t count);

#endif
