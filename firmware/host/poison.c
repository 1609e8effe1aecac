#include "poison.h"

#include "batch.h"
#include "row_done.h"

/* The run that this thread is in: kernels report their steps to nobody in particular. */
static _Thread_local struct {
    const struct host_poison *table;
    uint8_t *arena;
    uint32_t first_step; /* event of the layer's first step */
    uint32_t next;       /* event expected next */
    uint32_t end;        /* first event of the next layer */
    uint32_t noise;
    int is_unexpected; /* whether a step came that the table does not have */
} current;

/* xorshift32 (Marsaglia, "Xorshift RNGs", 2003): one time in 256 it is the byte that was there. */
static uint8_t noise(void) {
    current.noise ^= current.noise << 13;
    current.noise ^= current.noise >> 17;
    current.noise ^= current.noise << 5;
    return (uint8_t)current.noise;
}

static void overwrite(uint32_t event) {
    const struct host_poison *table = current.table;
    for (uint32_t range = table->events[event]; range < table->events[event + 1]; range++) {
        uint8_t *bytes = current.arena + table->ranges[2 * range];
        for (uint32_t i = 0; i < table->ranges[2 * range + 1]; i++) {
            bytes[i] = noise();
        }
    }
}

void mcu_row_done(int32_t step) {
    if (current.next == current.end || current.first_step + (uint32_t)step != current.next) {
        current.is_unexpected = 1;
        return;
    }
    overwrite(current.next++);
}

/* One inference; returns as host_poison_batch does. */
static uint32_t run(const struct mcu_model *model) {
    for (uint32_t layer = 0; layer < model->layer_count; layer++) {
        const uint32_t before = current.table->layers[layer];
        overwrite(before);
        current.first_step = before + 1;
        current.next = before + 1;
        current.end = current.table->layers[layer + 1];
        model->layers[layer].run(current.arena);
        if (current.is_unexpected || current.next != current.end) {
            return layer + 1;
        }
    }
    overwrite(current.end);
    return 0;
}

uint32_t host_poison_batch(const struct mcu_model *model, uint8_t *arena, const uint8_t *samples,
                           uint8_t *results, uint64_t count, const struct host_poison *table) {
    current.table = table;
    current.arena = arena;
    current.noise = 1;
    current.is_unexpected = 0;
    for (uint64_t sample = 0; sample < count; sample++) {
        samples = host_load(model, arena, samples);
        const uint32_t fault = run(model);
        if (fault) {
            return fault;
        }
        results = host_take(model, arena, results);
    }
    return 0;
}
