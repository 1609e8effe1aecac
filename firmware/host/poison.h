/* A checking build of a generated model: bytes that its memory plan calls dead are overwritten with noise
 * while it runs. Results that stay the same show that nobody reads them. Built with MCU_CHECK_ROWS. */
#ifndef HOST_POISON_H
#define HOST_POISON_H

#include <stdint.h>

#include "mcu_model.h"

/* What is overwritten when. Events follow one another as a run meets them: before each layer, then after
 * each step that its kernel reports (kernels/row_done.h); the last one follows the last layer. */
struct host_poison {
    const uint32_t *ranges; /* pairs of offset in the arena and length, in the order of their events */
    const uint32_t *events; /* [events + 1]: an event's first range; then their number */
    const uint32_t *layers; /* [layers + 1]: a layer's first event, the one before it runs; then the last */
};

/* host_batch with dead bytes overwritten. Returns 0, or 1 + the number of the first layer whose kernel
 * reports other steps than the table has. */
uint32_t host_poison_batch(const struct mcu_model *model, uint8_t *arena, const uint8_t *samples,
                           uint8_t *results, uint64_t count, const struct host_poison *table);

#endif
