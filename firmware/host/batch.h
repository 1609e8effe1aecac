/* Many inferences of a generated model on a host computer, for accuracy over a test set and for tests. */
#ifndef HOST_BATCH_H
#define HOST_BATCH_H

#include <stdint.h>

#include "mcu_model.h"

/* Runs the model count times in one arena. A sample is the bytes of all inputs one after another, a result
 * the bytes of all outputs; both arrays are dense. */
void host_batch(const struct mcu_model *model, uint8_t *arena, const uint8_t *samples, uint8_t *results,
                uint64_t count);

/* One sample into the arena, one result out of it; each returns where the next one begins. */
const uint8_t *host_load(const struct mcu_model *model, uint8_t *arena, const uint8_t *sample);
uint8_t *host_take(const struct mcu_model *model, const uint8_t *arena, uint8_t *result);

#endif
