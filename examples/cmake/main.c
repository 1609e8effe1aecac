/* Runs a generated model on this computer: the first input's bytes come from stdin as users of the model hold
 * them, the first output's real values go to stdout, one a line. On a microcontroller, replace what reads and
 * prints; the rest is the same. */
#include <stdio.h>

#include "model.h"

/* All the memory that a run needs beside the stack. */
_Alignas(MODEL_ARENA_ALIGN) static uint8_t arena[MODEL_ARENA_BYTES];

/* The arena holds int8. Where a model's users hold uint8 (pixels 0..255), int8 is that minus 128, which is
 * each byte with its top bit flipped; the same step leads back. */
static void convert(const struct mcu_tensor *tensor, uint8_t *bytes) {
    if (tensor->encoding == MCU_UINT8) {
        for (uint32_t i = 0; i < tensor->bytes; i++) {
            bytes[i] ^= 0x80;
        }
    }
}

int main(void) {
    uint8_t *input = model_input(arena, 0);
    if (fread(input, 1, MODEL_INPUT0_BYTES, stdin) != MODEL_INPUT0_BYTES) {
        fprintf(stderr, "classify: %d bytes are needed on stdin\n", MODEL_INPUT0_BYTES);
        return 1;
    }
    convert(&model_model.inputs[0], input);

    model_run(arena);

    /* Scale and zero point belong to the arena's int8, so that real values come out whatever the encoding. */
    const MODEL_OUTPUT0_TYPE *output = model_output(arena, 0);
    for (int i = 0; i < MODEL_OUTPUT0_BYTES; i++) {
        const int steps = output[i] - MODEL_OUTPUT0_ZERO_POINT;
        if ((uint32_t)i < model_model.label_count) {
            printf("%s ", model_model.labels[i]);
        }
        printf("%g\n", (double)(MODEL_OUTPUT0_SCALE * (float)steps));
    }
    return 0;
}
