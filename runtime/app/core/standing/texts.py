"""What people are told of their clinic's payments, by language."""

from collections.abc import Mapping
from typing import Final

TEXTS: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {
        "why_unpaid": "A payment for this clinic's DentalPin is overdue.",
        "why_trial_over": "This clinic's trial is over, and no way to pay was agreed.",
        "why_ended": "This clinic's agreement has ended.",
        "state_no_new_modules": "No modules can be added until that is settled; everything else works as always.",
        "next_no_new_modules": "From {on} no modules can be added.",
        "next_read_only": "From {on} the clinic is read-only: records can be read, printed and exported, and nothing can be changed.",
        "next_export_only": "From {on} records can be read, printed and exported, and nothing else can be used.",
        "next_archived": "On {on} the clinic is archived with a verified backup: nothing is deleted; its owner can export or reopen it.",
    },
    "es": {
        "why_unpaid": "Un pago de DentalPin de esta clínica está vencido.",
        "why_trial_over": "El periodo de prueba de esta clínica ha terminado y no se acordó ninguna forma de pago.",
        "why_ended": "El contrato de esta clínica ha terminado.",
        "state_no_new_modules": "Hasta que se resuelva no se pueden añadir módulos; todo lo demás funciona como siempre.",
        "next_no_new_modules": "A partir del {on} no se podrán añadir módulos.",
        "next_read_only": (
            "A partir del {on} la clínica será de solo lectura: se podrá leer, imprimir y exportar todo, y no se podrá cambiar nada."
        ),
        "next_export_only": "A partir del {on} se podrán leer, imprimir y exportar los registros, y nada más.",
        "next_archived": (
            "El {on} la clínica se archivará con una copia comprobada: no se borra nada, y su titular puede exportarla o reabrirla."
        ),
    },
}
