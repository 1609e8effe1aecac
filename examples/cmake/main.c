/* Runs a generated model on this computer: the first input's bytes come from stdin, the first output's values
 * go to stdout, one a line. On a microcontroller, replace what reads and prints; the rest is the same. */
#include <stdio.h>

#include "model.h"

/* All the memory that a run needs beside the stack. */
_Alignas(MODEL_ARENA_ALIGN) static uint8_t arena[MODEL_ARENA_BYTES];

int main(void) {
    MODEL_INPUT0_TYPE *input = model_input(arena, 0);
    if (fread(input, 1, MODEL_INPUT0_BYTES, stdin) != MODEL_INPUT0_BYTES) {
        fprintf(stderr, "classify: %d bytes are needed on stdin\n", MODEL_INPUT0_BYTES);
        return 1;
    }

    model_run(arena);

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
