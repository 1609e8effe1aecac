#include "batch.h"

#include <string.h>

#include "mcu_model.h"

/* MCU_MODEL_SYMBOL: the generated model's struct, e.g. kws_model. */
extern const struct mcu_model MCU_MODEL_SYMBOL;

void host_batch(uint8_t *arena, const uint8_t *samples, uint8_t *results, uint64_t count) {
    const struct mcu_model *model = &MCU_MODEL_SYMBOL;
    for (uint64_t sample = 0; sample < count; sample++) {
        for (uint32_t i = 0; i < model->input_count; i++) {
            memcpy(arena + model->inputs[i].offset, samples, model->inputs[i].bytes);
            samples += model->inputs[i].bytes;
        }
        model->run(arena);
        for (uint32_t i = 0; i < model->output_count; i++) {
            memcpy(results, arena + model->outputs[i].offset, model->outputs[i].bytes);
            results += model->outputs[i].bytes;
        }
    }
}
