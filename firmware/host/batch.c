#include "batch.h"

#include <string.h>

const uint8_t *host_load(const struct mcu_model *model, uint8_t *arena, const uint8_t *sample) {
    for (uint32_t i = 0; i < model->input_count; i++) {
        memcpy(arena + model->inputs[i].offset, sample, model->inputs[i].bytes);
        sample += model->inputs[i].bytes;
    }
    return sample;
}

uint8_t *host_take(const struct mcu_model *model, const uint8_t *arena, uint8_t *result) {
    for (uint32_t i = 0; i < model->output_count; i++) {
        memcpy(result, arena + model->outputs[i].offset, model->outputs[i].bytes);
        result += model->outputs[i].bytes;
    }
    return result;
}

void host_batch(const struct mcu_model *model, uint8_t *arena, const uint8_t *samples, uint8_t *results,
                uint64_t count) {
    for (uint64_t sample = 0; sample < count; sample++) {
        samples = host_load(model, arena, samples);
        model->run(arena);
        results = host_take(model, arena, results);
    }
}
