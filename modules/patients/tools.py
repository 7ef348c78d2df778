"""What AI agents may do with patients: one tool per public action of the service, with the permission of the route for the same action.

Descriptions are prose for a model that has never seen this module.
"""

from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.core.agents import AgentContext, Tool, ToolCategory

from .models import Patient
from .schemas import PatientCreate, PatientResponse, PatientUpdate, PatientWritten, Search, StatusFilter
from .service import PatientService

READ, WRITE = ["patients.read"], ["patients.write"]


class _Args(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SearchPatientsArgs(_Args):
    query: Search = Field(description="Words of a name, an e-mail address, a phone number or a document; every word must match.")
    limit: int = Field(default=20, ge=1, le=100)
    page: int = Field(default=1, ge=1, le=100_000)
    status: StatusFilter = StatusFilter.ACTIVE


class PatientArgs(_Args):
    patient_id: UUID = Field(description="The `id` that search_patients answers.")


class UpdatePatientArgs(PatientUpdate):
    patient_id: UUID = Field(description="The `id` that search_patients answers.")


async def _search_patients(ctx: AgentContext, params: SearchPatientsArgs) -> dict[str, Any]:
    found, total = await PatientService.list_patients(
        ctx.db, ctx.clinic_id, search=params.query, page=params.page, page_size=params.limit, status=params.status
    )
    return {"total": total, "patients": [PatientResponse.model_validate(patient) for patient in found]}


async def _get_patient(ctx: AgentContext, params: PatientArgs) -> PatientResponse:
    return PatientResponse.model_validate(await PatientService.get_patient(ctx.db, ctx.clinic_id, params.patient_id))


async def _check_duplicates(ctx: AgentContext, params: PatientCreate) -> dict[str, Any]:
    return {"possible_duplicates": await PatientService.find_duplicates(ctx.db, ctx.clinic_id, params)}


async def _create_patient(ctx: AgentContext, params: PatientCreate) -> PatientWritten:
    return await _written(ctx, await PatientService.create_patient(ctx.db, ctx.clinic_id, params))


async def _update_patient(ctx: AgentContext, params: UpdatePatientArgs) -> PatientWritten:
    # Only what the call names is changed.
    update = PatientUpdate.model_validate(params.model_dump(exclude={"patient_id"}, exclude_unset=True))
    return await _written(ctx, await PatientService.update_patient(ctx.db, ctx.clinic_id, params.patient_id, update))


async def _archive_patient(ctx: AgentContext, params: PatientArgs) -> PatientResponse:
    return PatientResponse.model_validate(await PatientService.archive_patient(ctx.db, ctx.clinic_id, params.patient_id))


async def _restore_patient(ctx: AgentContext, params: PatientArgs) -> PatientResponse:
    return PatientResponse.model_validate(await PatientService.restore_patient(ctx.db, ctx.clinic_id, params.patient_id))


async def _written(ctx: AgentContext, patient: Patient) -> PatientWritten:
    duplicates = await PatientService.find_duplicates(ctx.db, ctx.clinic_id, patient, exclude=patient.id)
    return PatientWritten.model_validate(patient).model_copy(update={"possible_duplicates": duplicates})


TOOLS = (
    Tool(
        name="search_patients",
        description=(
            "Search this clinic's patients by words of their name, e-mail address, phone number or document. Returns up to `limit` "
            "matches by last name and how many there are in all. Archived patients are found only if `status` asks for them."
        ),
        parameters=SearchPatientsArgs,
        handler=_search_patients,
        permissions=READ,
        category=ToolCategory.READ,
        exposes_free_text=True,
    ),
    Tool(
        name="get_patient",
        description="Read one patient's record: identity, contact, birth date, address, notes, and the `version` an update needs.",
        parameters=PatientArgs,
        handler=_get_patient,
        permissions=READ,
        category=ToolCategory.READ,
        exposes_free_text=True,
    ),
    Tool(
        name="check_duplicates",
        description=(
            "Find patients on file who may be the same person as the one described, and why. Writes nothing. Use it before create_patient."
        ),
        parameters=PatientCreate,
        handler=_check_duplicates,
        permissions=READ,
        category=ToolCategory.READ,
        exposes_free_text=True,
    ),
    Tool(
        name="create_patient",
        description=(
            "Add a new patient to this clinic. It is created even if somebody alike is on file; the answer then lists the "
            "possible duplicates. Does not book an appointment."
        ),
        parameters=PatientCreate,
        handler=_create_patient,
        permissions=WRITE,
        category=ToolCategory.WRITE,
        exposes_free_text=True,
    ),
    Tool(
        name="update_patient",
        description=(
            "Change the given fields of one patient's record. `version` is the one get_patient answered: a record that somebody "
            "else changed meanwhile is not overwritten. Fields that are left out stay."
        ),
        parameters=UpdatePatientArgs,
        handler=_update_patient,
        permissions=WRITE,
        category=ToolCategory.WRITE,
        exposes_free_text=True,
    ),
    Tool(
        name="archive_patient",
        description="Take a patient out of the daily lists. Nothing is deleted, and restore_patient brings the patient back.",
        parameters=PatientArgs,
        handler=_archive_patient,
        permissions=WRITE,
        category=ToolCategory.WRITE,
        exposes_free_text=True,
    ),
    Tool(
        name="restore_patient",
        description="Bring an archived patient back into the daily lists.",
        parameters=PatientArgs,
        handler=_restore_patient,
        permissions=WRITE,
        category=ToolCategory.WRITE,
        exposes_free_text=True,
    ),
)
