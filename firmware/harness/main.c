/* The measuring firmware: one model, one arena, and a serial line that asks for runs.
 *
 * Built with  MCU_MODEL_HEADER  "kws.h"      header of the generated model
 *             MCU_MODEL_SYMBOL  kws_model    its struct mcu_model
 *             MCU_ARENA_BYTES                bytes of the arena, the model's arena_bytes
 *             BOARD_NAME        "acme-kit"   as `name%` answers it
 *             BOARD_BAUD                     bits per second of the serial line */
#include <stdint.h>

#include "commands.h"
#include "inference.h"
#include "mlperf.h"
#include "port.h"
#include "protocol.h"
#include "stack_mark.h"

#include MCU_MODEL_HEADER

/* The linker script of a board finds the arena by this name. */
static _Alignas(16) uint8_t model_arena[MCU_ARENA_BYTES];

int main(void) {
    static struct protocol protocol;

    port_init(BOARD_BAUD);
    stack_mark_paint();
    inference_begin(&MCU_MODEL_SYMBOL, model_arena, sizeof model_arena);
    mlperf_say_boot();
    for (;;) {
        const enum protocol_event event = protocol_feed(&protocol, (uint8_t)port_read());
        if (event != PROTOCOL_PENDING) {
            commands_answer(&protocol, event);
        }
    }
}
