"""The linker script of a board, made from its memory regions and reserve.

The SRAM is cut into three parts, each of which overflows on its own at link time:

    low   stack     [reserve] stack_bytes; below it there is no memory, so that an overflow faults
          arena     what is left: Board.usable_sram_bytes
    high  harness   [reserve] harness_bytes: every other variable

So an image links exactly if its arena fits what the search counted with, and the harness its reserve.
Hot code lies in flash, too, and is copied to where it runs before main.
"""

from __future__ import annotations

from collections.abc import Sequence

from mcu_nas.boards import Board

_SCRIPT = """\
/* Made from boards/{name}.toml: do not edit. */
ENTRY(reset_handler)

MEMORY
{{
    flash   (rx) : ORIGIN = {flash_origin:#010x}, LENGTH = {flash_bytes}
    arena   (rw) : ORIGIN = {arena_origin:#010x}, LENGTH = {arena_bytes}
    harness (rw) : ORIGIN = {harness_origin:#010x}, LENGTH = {harness_bytes}
    hot     (rx) : ORIGIN = {hot_origin:#010x}, LENGTH = {hot_bytes}
}}

stack_low = {stack_origin:#010x};
stack_high = stack_low + {stack_bytes};

SECTIONS
{{
    .vectors : {{
        KEEP(*(.vectors))
    }} > flash

    .hot : {{
        {hot_sections}
        . = ALIGN(4);
    }} > hot AT > flash
    hot_start = ADDR(.hot); /* not labels in it, which would name its code */
    hot_end = hot_start + SIZEOF(.hot);
    hot_load = LOADADDR(.hot);

    .text : {{
        *(.text .text.*)
        . = ALIGN(8); /* so that nothing lies between it and .rodata */
    }} > flash

    .rodata : {{
        *(.rodata .rodata.*)
        . = ALIGN(8);
    }} > flash

    .arena (NOLOAD) : {{
        arena_start = .;
        *(.bss.model_arena)
        . = ALIGN(4);
        arena_end = .;
    }} > arena

    .data : {{
        data_start = .;
        *(.data .data.*)
        . = ALIGN(4);
        data_end = .;
    }} > harness AT > flash
    data_load = LOADADDR(.data);

    .bss (NOLOAD) : {{
        zero_start = .;
        *(.bss .bss.* COMMON)
        . = ALIGN(4);
        zero_end = .;
    }} > harness

    /DISCARD/ : {{ *(.ARM.exidx .ARM.exidx.* .ARM.extab .ARM.extab.*) }}
}}
"""


def linker_script(board: Board, hot: Sequence[str] = ()) -> str:
    """The GNU ld script for a board, with the functions ``hot`` in its region for hot code.

    The harness's variable ``model_arena`` (section .bss.model_arena under -fdata-sections) goes into the
    region arena. Symbols for firmware/cortex_m/startup.c: stack_low, stack_high, data_load, data_start,
    data_end, zero_start, zero_end, arena_start, arena_end, hot_load, hot_start, hot_end.
    """
    region = board.hot_code_region
    flash, ram = board.largest_region("flash"), board.largest_region("ram")
    arena_origin = ram.origin + board.reserve.stack_bytes
    return _SCRIPT.format(
        name=board.name,
        flash_origin=flash.origin,
        flash_bytes=flash.bytes,
        stack_origin=ram.origin,
        stack_bytes=board.reserve.stack_bytes,
        arena_origin=arena_origin,
        arena_bytes=board.usable_sram_bytes,
        harness_origin=arena_origin + board.usable_sram_bytes,
        harness_bytes=board.reserve.harness_bytes,
        hot_origin=region.origin if region else 0,
        hot_bytes=region.bytes if region else 0,
        hot_sections="\n        ".join(f"*(.text.{name})" for name in hot),
    )
