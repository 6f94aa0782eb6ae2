"""Every check, by its id, in the order in which they run: from what is quick and plain to what rests on it."""

from __future__ import annotations

from yumen.testing.conformance import (
    behaviour,
    canaries,
    config,
    faults,
    heeding,
    holds,
    late,
    leaks,
    modes,
    operating,
    process,
    rules,
    speaking,
    streams,
    tenants,
)

CHECKS = {
    one.id: one
    for one in (
        config.manifest_form,
        config.schema_description,
        config.schema_strict,
        config.schema_wrong,
        process.process_unchanged,
        config.schema_default,
        rules.rules_form,
        rules.rules_named,
        behaviour.hooks_sound,
        behaviour.hooks_repeatable,
        canaries.manifest_sees,
        canaries.manifest_mutates,
        canaries.manifest_stores,
        canaries.manifest_files,
        late.stores_nothing,
        canaries.text_out,
        late.text_late,
        canaries.host_live,
        behaviour.shadow_applies,
        modes.rules_modes,
        behaviour.state_instances,
        tenants.state_tenants,
        operating.admin_inspect,
        operating.admin_operate,
        operating.operation_taken,
        operating.erase_counts,
        late.erase_done,
        streams.stream_splits,
        speaking.stream_channels,
        holds.stream_hold,
        heeding.fault_heed,
        faults.fault_engine,
        faults.fault_leave,
        faults.fault_cancel,
        faults.fault_store,
        faults.start_again,
        leaks.leak_start_stop,
    )
}
