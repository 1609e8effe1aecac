"""PyTorch modules from elsewhere as FloatNetworks."""

from mcu_nas.quantize.torch_import.forward import module_outputs
from mcu_nas.quantize.torch_import.importer import ImportedModule, import_module
from mcu_nas.quantize.torch_import.table import supported_functions
from mcu_nas.quantize.torch_import.user_module import load_module

__all__ = ["ImportedModule", "import_module", "load_module", "module_outputs", "supported_functions"]
