#include "commands.h"

#include <string.h>

#include "answer.h"
#include "measuring.h"
#include "mlperf.h"

/* A command: its first word, how many words it may have in all, what answers it, its line of help. */
struct command {
    const char *name;
    uint32_t words;
    void (*answer)(const struct protocol *protocol);
    const char *help;
};

static void help(const struct protocol *protocol);

static const struct command commands[] = {
    {"name", 1, mlperf_name, "the board"},
    {"profile", 1, mlperf_profile, "protocol and model"},
    {"help", 1, help, "this list"},
    {"timestamp", 1, mlperf_timestamp, "time since boot in microseconds"},
    {"db", 3, mlperf_db,
     "load N: announce an input of N bytes; HEX: its next bytes; print: the loaded input"},
    {"infer", 3, mlperf_infer, "N [W=10]: run N times after W warm-up runs"},
    {"results", 1, mlperf_results, "outputs of the first run after the load, as real numbers"},
    {"model", 1, measuring_model, "name, hash and sizes of the model"},
    {"clock", 1, measuring_clock, "clock of the core, and what the timer counts"},
    {"crc", 1, measuring_crc, "CRC-32 of the loaded input"},
    {"ticks", 1, measuring_ticks, "timer values of the last infer"},
    {"outputs", 1, measuring_outputs, "outputs of the first run after the load, as bytes"},
    {"layers", 1, measuring_layers, "after a load: run once, layer by layer, each timed"},
    {"memory", 1, measuring_memory, "bytes of stack and arena"},
};

enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

static void help(const struct protocol *protocol) {
    (void)protocol;
    answer_line(MLPERF_PROFILE);
    for (uint32_t i = 0; i < COMMAND_COUNT; i++) {
        answer_text(commands[i].name);
        answer_text(" : ");
        answer_line(commands[i].help);
    }
}

static void dispatch(const struct protocol *protocol) {
    for (uint32_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(protocol->words[0], commands[i].name) == 0) {
            if (protocol->word_count > commands[i].words) {
                answer_refusal_of("Too many words: ", commands[i].name);
            } else {
                commands[i].answer(protocol);
            }
            return;
        }
    }
    answer_refusal_of("Unknown command: ", protocol->words[0]);
}

void commands_answer(const struct protocol *protocol, enum protocol_event event) {
    switch (event) {
    case PROTOCOL_COMMAND:
        dispatch(protocol);
        break;
    case PROTOCOL_EMPTY:
        answer_refusal("Empty command");
        break;
    case PROTOCOL_TOO_LONG:
        answer_refusal("Command is longer than 80 characters");
        break;
    case PROTOCOL_NOT_TEXT:
        answer_refusal("Command holds bytes that are not printable ASCII");
        break;
    case PROTOCOL_PENDING:
        return;
    }
    answer_line("m-ready");
}
