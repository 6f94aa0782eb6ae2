"""Number plates and vehicle identification numbers."""

from __future__ import annotations

from yumen_plugins.anonymize.detector import Detector
from yumen_plugins.anonymize.detectors.near import CODE_RUN, compact

PROVINCE = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
# ISO 3779: what letters count for, and the weights of the 17 places; the ninth is the check character.
VALUES = {
    char: value
    for value, chars in enumerate(("", "AJ", "BKS", "CLT", "DMU", "ENV", "FW", "GPX", "HY", "RZ"))
    for char in chars
}
VALUES |= {str(digit): digit for digit in range(10)}
WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)


def vin(value: str) -> bool:
    """ISO 3779: the sum of weighted characters modulo 11 is the ninth, 10 being X. A number of digits alone is none."""
    number = value.upper()
    if number.isdigit() or number.isalpha() or not number[-4:].isdigit():
        return False
    total = sum(weight * VALUES[char] for weight, char in zip(WEIGHTS, number, strict=True))
    return "0123456789X"[total % 11] == number[8]


_PROVINCES = "|".join(PROVINCE)
VEHICLES: tuple[Detector, ...] = (
    Detector(
        id="cn.plate",
        description="number plate of mainland China",
        patterns=(
            # Five characters with at least one digit; with six new energy; or a class of vehicles at the end.
            (
                rf"[{PROVINCE}][A-HJ-Z][ ·•-]?(?=[A-HJ-NP-Z0-9]{{0,5}}[0-9])(?:[DF][A-HJ-NP-Z0-9][0-9]{{4}}|"
                rf"[0-9]{{5}}[DF]|[A-HJ-NP-Z0-9]{{5}})(?![0-9A-Za-z])"
            ),
            rf"[{PROVINCE}][A-HJ-Z][ ·•-]?(?=[A-HJ-NP-Z0-9]{{0,4}}[0-9])[A-HJ-NP-Z0-9]{{4}}[挂学警港澳领]",
            (
                r"(?:粤Z[ ·•-]?[A-HJ-NP-Z0-9]{4}[港澳]|使[0-9]{6}|[0-9]{6}使|"
                r"WJ[ ·-]?[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼]?[ ·-]?[0-9]{4}[0-9JBXTHSD])"
                r"(?![0-9A-Za-z])"
            ),
        ),
        prefilter=(
            rf"(?:{_PROVINCES})[A-HJ-Z](?:[ -]|·|•)?[A-HJ-NP-Z0-9]{{4}}|使[0-9]{{6}}|[0-9]{{6}}使|WJ(?:[ -]|"
            rf"·)?(?:{_PROVINCES})?(?:[ -]|·)?[0-9]{{4}}"
        ),
        score=0.95,
        canonical=lambda value: "".join(char for char in value if char not in " ·•-").upper(),
        context=("车牌", "車牌", "plate"),
        span_max=12,
        examples=("车牌京A12345", "粤B·D12345 新能源", "沪C1234学", "粤Z1234港", "苏E·88F8K", "使123456"),
        counterexamples=("京ABCDE", "云A座", "新B1234", "京A123456789", "豫I12345"),
    ),
    Detector(
        id="cn.vin",
        description="vehicle identification number",
        patterns=(r"(?<![0-9A-Za-z_-])[A-HJ-NPR-Z0-9]{17}(?![0-9A-Za-z_-])",),
        prefilter=CODE_RUN,
        score=0.9,
        validate=vin,
        canonical=compact,
        context=("车架", "車架", "vin", "车辆识别", "車輛識別", "chassis", "大架号"),
        span_max=17,
        tight=True,
        examples=("车架号LSVAA4187C2184841", "VIN: 1M8GDM9AXKP042788", "1M8GDM9AXKP042788"),
        counterexamples=("1M8GDM9A0KP042788", "12345678901234567", "订单LSVAA4187C2184841X"),
    ),
)
