/* runner MODEL ARENA_BYTES: samples from standard input, results to standard output, until the input ends.
 * MODEL is a number in host_models. The arena is a heap block of exactly ARENA_BYTES, so that a sanitizer
 * sees any access past it. */
#include <stdio.h>
#include <stdlib.h>

#include "batch.h"

/* The models of this executable; devices/host_build.py writes the table. */
extern const struct mcu_model *const host_models[];

static size_t total(const struct mcu_tensor *tensors, uint32_t count) {
    size_t bytes = 0;
    for (uint32_t i = 0; i < count; i++) {
        bytes += tensors[i].bytes;
    }
    return bytes;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        return 2;
    }
    const struct mcu_model *model = host_models[strtoul(argv[1], 0, 10)];
    const size_t in_bytes = total(model->inputs, model->input_count);
    const size_t out_bytes = total(model->outputs, model->output_count);
    uint8_t *arena = malloc(strtoul(argv[2], 0, 10));
    uint8_t *sample = malloc(in_bytes);
    uint8_t *result = malloc(out_bytes);
    if (!arena || !sample || !result) {
        return 1;
    }
    while (fread(sample, 1, in_bytes, stdin) == in_bytes) {
        host_batch(model, arena, sample, result, 1);
        if (fwrite(result, 1, out_bytes, stdout) != out_bytes) {
            return 1;
        }
    }
    free(arena);
    free(sample);
    free(result);
    return 0;
}
