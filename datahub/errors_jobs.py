"""Errors of jobs and stored queries, leaves of the tree in `errors`."""

from __future__ import annotations

from datahub.errors import AccessError, MissingError, PlatformError, RequestError, StateError


class JobUnknown(MissingError):
    """There is no job with this id."""

    code = "job-unknown"
    zh = "没有编号为“{job}”的作业；编号在提交作业时给出，结果过期一段时间后也不再保留。"
    en = "There is no job '{job}'; its id was told when it was handed in, and is forgotten later."


class JobGone(MissingError):
    """The result of a job was kept as long as results are kept."""

    code = "job-gone"
    status = 410
    zh = "作业 {job} 的结果已过期（保留 {days} 天），请重新提交。"
    en = "The result of job {job} was kept for {days} days and is gone; hand it in again."


class JobUnfinished(StateError):
    """A job has no result yet."""

    code = "job-unfinished"
    retryable = True
    zh = "作业 {job} 还没有完成（{state}），请在 {retry_after} 秒后再取结果。"
    en = "Job {job} is not done yet ({state}); ask for its result in {retry_after} seconds."


class JobFailed(StateError):
    """A job has no result and will have none."""

    code = "job-failed"
    zh = "作业 {job} 没有成功：{reason_zh}"
    en = "Job {job} failed: {reason_en}"


class JobLimit(RequestError):
    """One asker has as many jobs, or results, as anybody may have."""

    code = "job-limit"
    status = 429
    retryable = True
    zh = "每个用户最多{limit_zh}，请等已有的作业完成，或删除不用的结果。"
    en = "Nobody has more than {limit_en}; wait for a job of yours, or delete a result."


class JobForeign(AccessError):
    """A job or a stored query is somebody else's."""

    code = "not-yours"
    zh = "“{name}”属于其他用户，只有其所有者可以{action_zh}。"
    en = "'{name}' belongs to somebody else; only its owner may {action_en} it."


class JobAbandoned(PlatformError):
    """A job ended with the process that worked on it, each time that it was tried."""

    code = "job-abandoned"
    status = 503
    zh = "作业 {attempts} 次中断，不再重试。请缩小范围后重新提交。"
    en = "The job was interrupted {attempts} times and is not tried again; narrow it down."


class QueryUnknown(MissingError):
    """There is no stored query of this name, or not this version of it."""

    code = "query-unknown"
    zh = "没有存储查询“{name}”{hint_zh}；已有的见 /api/v1/queries。"
    en = "There is no stored query '{name}'{hint_en}; they are listed at /api/v1/queries."


class QueryNameTaken(StateError):
    """A name is in use, or was."""

    code = "query-name-taken"
    zh = "名称“{name}”{state_zh}；{hint_zh}。"
    en = "The name '{name}' {state_en}; {hint_en}."


class QueryParameterInvalid(RequestError):
    """A parameter of a stored query is declared in a way that cannot be."""

    code = "query-parameter-invalid"
    status = 422
    zh = "参数 {name} 的声明不对：{reason_zh}"
    en = "Parameter {name} is declared wrongly: {reason_en}"


class QueryStoreFull(StateError):
    """One owner has stored as much as anybody may."""

    code = "stored-query-limit"
    zh = "每个用户最多保存 {limit} 个查询版本。"
    en = "Nobody stores more than {limit} versions of queries."
