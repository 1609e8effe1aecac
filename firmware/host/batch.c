#include "batch.h"

#include <string.h>

#include "mcu_model.h"

/* MCU_MODEL_SYMBOL: the generated model's struct, e.g. kws_model. */
extern const struct mcu_model MCU_MODEL_SYMBOL;

const uint8_t *host_load(uint8_t *arena, const uint8_t *sample) {
    const struct mcu_model *model = &MCU_MODEL_SYMBOL;
    for (uint32_t i = 0; i < model->input_count; i++) {
        memcpy(arena + model->inputs[i].offset, sample, model->inputs[i].bytes);
        sample += model->inputs[i].bytes;
    }
    return sample;
}

uint8_t *host_take(const uint8_t *arena, uint8_t *result) {
    const struct mcu_model *model = &MCU_MODEL_SYMBOL;
    for (uint32_t i = 0; i < model->output_count; i++) {
        memcpy(result, arena + model->outputs[i].offset, model->outputs[i].bytes);
        result += model->outputs[i].bytes;
    }
    return result;
}

void host_batch(uint8_t *arena, const uint8_t *samples, uint8_t *results, uint64_t count) {
    for (uint64_t sample = 0; sample < count; sample++) {
        samples = host_load(arena, samples);
        MCU_MODEL_SYMBOL.run(arena);
        results = host_take(arena, results);
    }
}
