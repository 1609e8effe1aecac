/* What a generated model tells the program that hosts it: sizes, quantization, layers, entry points.
 *
 * A model is compiled to constants and functions only. Its single piece of state is the arena that the
 * caller hands in, so two arenas give two independent instances. */
#ifndef MCU_MODEL_H
#define MCU_MODEL_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What the users of a model hold for an input or output, which in the arena is int8 always. */
enum mcu_encoding {
    MCU_INT8,  /* the tensor's own bytes */
    MCU_UINT8, /* pixels 0..255, or uint8 in the .tflite: int8 + 128, i.e. each byte XOR 0x80 */
};

/* An input or output in the arena. real = (q - zero_point) * scale_mantissa * 2^-scale_shift. */
struct mcu_tensor {
    enum mcu_encoding encoding;
    uint32_t offset; /* bytes from the arena's start */
    uint32_t bytes;
    int32_t zero_point;
    int32_t scale_mantissa; /* in [2^30, 2^31) */
    int32_t scale_shift;
};

/* One layer; running all of them in order is one inference. */
struct mcu_layer {
    const char *name; /* TFLite operator */
    void (*run)(uint8_t *arena);
    uint32_t macs;
};

struct mcu_model {
    const char *name;
    const char *hash; /* first 16 hex digits of the SHA-256 of the .tflite file */
    uint32_t arena_bytes;
    uint32_t arena_align;
    uint32_t input_count;
    uint32_t output_count;
    uint32_t layer_count;
    uint32_t label_count;
    const struct mcu_tensor *inputs;
    const struct mcu_tensor *outputs;
    const struct mcu_layer *layers;
    const char *const *labels; /* class names, where the model has them */
    void (*run)(void *arena);
};

#ifdef __cplusplus
}
#endif

#endif
