"""Who and what the sample company is: accounts, departments, products, vendors and customers.

Everything here is invented. Amounts are plan values per month in the entity's own currency; the seed scales them.
"""

from dataclasses import dataclass
from decimal import Decimal

COMPANY = "Larkmere Instruments"
BASE_CURRENCY = "EUR"
PARENT, SUBSIDIARY = "LM-NL", "LM-US"
PLANNING_RATE = Decimal("0.9200")  # EUR for one USD, as the forecast was planned
MATERIAL_ABSOLUTE = Decimal("15000")
MATERIAL_SHARE = Decimal("0.03")

ENTITIES = ((PARENT, "Larkmere Instruments B.V.", "EUR"), (SUBSIDIARY, "Larkmere Instruments Inc.", "USD"))

DEPARTMENTS = (
    ("SALES", "Sales"),
    ("MKTG", "Marketing"),
    ("ENG", "Engineering"),
    ("OPS", "Operations"),
    ("SUPP", "Support and field service"),
    ("DATA", "Data services"),
    ("FIN", "Finance and administration"),
    ("PPL", "People"),
)

CASH, RECEIVABLE, INVENTORY, EQUIPMENT, WORN = "1000", "1100", "1200", "1500", "1590"
PAYABLE, WAGES_DUE, TAX_DUE, LOAN = "2000", "2200", "2300", "2500"
SALARIES, SOCIAL, TRAVEL, DEPRECIATION, INTEREST, TAX = "6000", "6050", "6300", "6800", "7000", "7900"

ACCOUNTS = (
    (CASH, "Cash at bank", "asset", "debit"),
    (RECEIVABLE, "Trade receivables", "asset", "debit"),
    (INVENTORY, "Inventory", "asset", "debit"),
    (EQUIPMENT, "Plant and equipment", "asset", "debit"),
    (WORN, "Accumulated depreciation", "asset", "credit"),
    (PAYABLE, "Trade payables", "liability", "credit"),
    ("2100", "Accrued expenses", "liability", "credit"),
    (WAGES_DUE, "Wages and social charges payable", "liability", "credit"),
    (TAX_DUE, "Income tax payable", "liability", "credit"),
    (LOAN, "Bank loan", "liability", "credit"),
    ("3000", "Share capital", "equity", "credit"),
    ("3100", "Retained earnings", "equity", "credit"),
    ("4010", "Probes", "revenue", "credit"),
    ("4020", "Loggers", "revenue", "credit"),
    ("4030", "Sampling kits", "revenue", "credit"),
    ("4100", "Data subscriptions", "revenue", "credit"),
    ("4110", "Data feeds", "revenue", "credit"),
    ("4200", "Calibration", "revenue", "credit"),
    ("4210", "Field service", "revenue", "credit"),
    ("4220", "Spare parts", "revenue", "credit"),
    ("5010", "Materials", "cogs", "debit"),
    ("5020", "Contract assembly", "cogs", "debit"),
    ("5030", "Hosting of customer data", "cogs", "debit"),
    ("5040", "Inbound freight", "cogs", "debit"),
    (SALARIES, "Salaries", "expense", "debit"),
    (SOCIAL, "Social charges", "expense", "debit"),
    ("6100", "Rent", "expense", "debit"),
    ("6150", "Energy and water", "expense", "debit"),
    ("6200", "Software", "expense", "debit"),
    (TRAVEL, "Travel", "expense", "debit"),
    ("6400", "Advertising", "expense", "debit"),
    ("6410", "Events", "expense", "debit"),
    ("6500", "Professional fees", "expense", "debit"),
    ("6550", "Recruiting", "expense", "debit"),
    ("6600", "Outbound logistics", "expense", "debit"),
    ("6650", "Repairs and maintenance", "expense", "debit"),
    ("6700", "Insurance", "expense", "debit"),
    ("6750", "Training", "expense", "debit"),
    (DEPRECIATION, "Depreciation", "expense", "debit"),
    ("6850", "Telecommunications", "expense", "debit"),
    ("6900", "Contractors", "expense", "debit"),
    (INTEREST, "Interest expense", "other", "debit"),
    (TAX, "Income tax", "other", "debit"),
)


@dataclass(frozen=True)
class Product:
    """Something sold: a list price in EUR and the units planned for 2026-Q3."""

    code: str
    name: str
    account: str
    department: str
    price: int
    units: int
    entity: str = PARENT
    core: bool = False  # part of the small company too


PRODUCTS = (
    Product("BROOK-2", "Brook 2 probe", "4010", "SALES", 1480, 380, core=True),
    Product("BROOK-2-US", "Brook 2 probe (US)", "4010", "SALES", 1460, 70, SUBSIDIARY, core=True),
    Product("STILL-8", "Still 8 logger", "4020", "SALES", 860, 640, core=True),
    Product("REED-K", "Reed sampling kit", "4030", "SALES", 145, 3200),
    Product("REED-R", "Reed refill pack", "4030", "SALES", 38, 1900),
    Product("DELTA", "Delta seat, per quarter", "4100", "DATA", 96, 5600, core=True),
    Product("DELTA-US", "Delta seat, per quarter (US)", "4100", "DATA", 92, 900, SUBSIDIARY),
    Product("ESTUARY", "Estuary data feed", "4110", "DATA", 1950, 210),
    Product("CAL-V", "Calibration visit", "4200", "SUPP", 410, 860, core=True),
    Product("FIELD-D", "Field service day", "4210", "SUPP", 980, 390),
    Product("FIELD-D-US", "Field service day (US)", "4210", "SUPP", 960, 80, SUBSIDIARY),
    Product("SPARE-S", "Spare part set", "4220", "SUPP", 64, 4900),
)

CUSTOMERS = {
    PARENT: (
        "Waterschap Oosterhaven", "Aqualis Ljubljana", "Stadtwerke Rheinfurt", "Hafenlabor Kieler Bucht",
        "Rivermark Utilities", "Compagnie des Eaux du Vallon", "Bodensee Monitoring", "Agua Clara Levante",
        "Fjordvakt", "Instituut Delta Noord",
        "Polder & Plas Advies", "Lagune Ricerche", "Brackish Research Trust", "Vistula Env", "Skerry Fish Farms",
        "Nordlys Aquaculture", "Gemeente Zuidersluis", "Sava Basin Agency", "Hydrovia Porto", "Glenlough Water",
        "Baltic Reed Cooperative", "Alpwasser Tirol", "Kanaalbeheer West", "Moorland Trust", "Port of Vellinge",
        "Ecometra", "Thermae Budahegy", "Loire Sensing",
    ),
    SUBSIDIARY: (
        "Willamette Basin District", "Puget Monitoring Group", "Lake Superior Coop", "Carson Valley Water",
        "Tideflats Research", "Ozark Hatcheries", "Bayou Survey Partners", "Finger Lakes Commission",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Vendor:
    """A supplier that bills one account and department every month, the same one in every quarter."""

    name: str
    entity: str
    account: str
    department: str
    monthly: int
    text: str
    core: bool = False


def _vendor(row: str) -> Vendor:
    name, entity, line, monthly, text, *core = (cell.strip() for cell in row.split("|"))
    account, department = line.split("/")
    return Vendor(name, {"NL": PARENT, "US": SUBSIDIARY}[entity], account, department, int(monthly), text, bool(core))


VENDORS = tuple(
    _vendor(row)
    for row in """\
Veldkamp Castings | NL | 5010/OPS | 68000 | Housings and castings | core
Sorrel Optics | NL | 5010/OPS | 47000 | Optical cells
Ostrand Polymers | NL | 5010/OPS | 31000 | Membranes and seals
Brightmoor Assembly | NL | 5020/OPS | 72000 | Assembly of probes and loggers
Cascadia Bench Works | US | 5020/OPS | 18000 | Bench assembly, Portland | core
Nimbus Harbor | NL | 5030/DATA | 16500 | Compute for Delta | core
Quarry Object Store | NL | 5030/DATA | 9200 | Storage for Delta
Meridian Haulage | NL | 5040/OPS | 12800 | Inbound road freight
Ketch & Sons Freight | NL | 5040/OPS | 8400 | Inbound sea freight
Kade 14 Vastgoed | NL | 6100/FIN | 12500 | Office rent, Kade 14
Waalhaven Sheds | NL | 6100/OPS | 19500 | Warehouse rent, Waalhaven | core
Delta Lab Space | NL | 6100/ENG | 11000 | Laboratory rent
Burnside Properties | US | 6100/SALES | 9900 | Office rent, Portland
Rijnmond Energie | NL | 6150/OPS | 9300 | Electricity and heat
Stadswater Rotterdam | NL | 6150/FIN | 1150 | Water and sewage
Forgeline | NL | 6200/ENG | 10900 | Build and source hosting seats | core
Tracepoint | NL | 6200/ENG | 4200 | Error tracking
Pipewise | NL | 6200/SALES | 9400 | Customer records seats
Ledgerlight | NL | 6200/FIN | 8200 | Bookkeeping licences
Mailgrove | NL | 6200/MKTG | 8600 | Campaign tool
Deskharbor | NL | 6200/SUPP | 8800 | Ticket desk seats
Streamloft | NL | 6200/DATA | 10700 | Stream processing licences | core
Rosterly | NL | 6200/PPL | 3300 | Roster and leave tool
Clearsky Media | NL | 6400/MKTG | 16500 | Media placement | core
Ferry Lane Studio | NL | 6400/MKTG | 9200 | Creative retainer
Halcyon Exhibits | NL | 6410/MKTG | 11800 | Stand programme
Roundtable Forums | NL | 6410/SALES | 9600 | Customer forum programme
Osterhout & Vane | NL | 6500/FIN | 11800 | Audit and accounting | core
Brandt Teekens Advocaten | NL | 6500/FIN | 8600 | Legal retainer
Lindenberg Patents | NL | 6500/ENG | 9200 | Patent portfolio
Corvia Advisory | NL | 6500/PPL | 8900 | Pension and benefits advice
Talent Wharf | NL | 6550/PPL | 9400 | Recruiting retainer
Northbank Search | NL | 6550/ENG | 8700 | Search for firmware roles
Pelican Parcel | NL | 6600/OPS | 17500 | Parcels to customers | core
Interlake Cargo | US | 6600/OPS | 9800 | Parcels to customers, US
Hoogland Technical | NL | 6650/OPS | 9900 | Upkeep of the assembly line | core
Meetwerk Onderhoud | NL | 6650/ENG | 8300 | Upkeep of the test benches
Anker Mutual | NL | 6700/FIN | 10900 | Liability cover
Havenborg Assurance | NL | 6700/OPS | 8900 | Goods and transit cover
Skillbank | NL | 6750/SUPP | 4200 | Technician courses
Civic Learning | NL | 6750/PPL | 8600 | Staff courses
Baken Telecom | NL | 6850/FIN | 3800 | Lines and mobiles
Voxline | NL | 6850/SUPP | 8900 | Support telephony
Kestrel Engineering | NL | 6900/ENG | 21000 | Firmware contractors | core
Parallel Reef | NL | 6900/DATA | 13500 | Data engineering contractors
Tidewater Services | US | 6900/SUPP | 10500 | Field technicians, US""".splitlines()
)

# Salaries a month by entity and department; social charges follow at a fixed share.
PAYROLL = {
    PARENT: {
        "SALES": 52000, "MKTG": 31000, "ENG": 118000, "OPS": 71000,
        "SUPP": 48000, "DATA": 44000, "FIN": 36000, "PPL": 21000,
    },
    SUBSIDIARY: {"SALES": 38000, "SUPP": 26000, "OPS": 17000},
}  # fmt: skip
SOCIAL_SHARE = Decimal("0.22")
WEAR = {PARENT: {"OPS": 18500, "ENG": 12400, "FIN": 3100}, SUBSIDIARY: {"OPS": 4200}}
INTEREST_MONTHLY = 6400
TAX_QUARTERLY = 148000
CLAIMS = {"SALES": 14500, "MKTG": 4200, "ENG": 3600, "SUPP": 6900, "OPS": 2900, "FIN": 1700}
CLAIMANTS = {
    "SALES": ("R. Vermeer", "I. Castellan", "P. Dunmore", "L. Achterberg", "K. Rasmussen"),
    "MKTG": ("E. Moretti", "S. Wolters"),
    "ENG": ("H. Sato", "B. Feddema", "G. Illes"),
    "SUPP": ("A. Okafor", "M. Verbruggen", "T. Lindahl"),
    "OPS": ("D. Marsh", "C. Hoekstra"),
    "FIN": ("J. Brandsma", "P. Raman"),
}

# Things that happen once: who bills them, for what, and the accounts where such a bill is booked.
ONE_OFFS = (
    ("Dijkstra Vloeren", "New floor in hall 2 after the burst pipe", ("6650", "6100")),
    ("Bergingsbedrijf Kolk", "Recovery and drying of flooded stock", ("6650", "6700", "5010")),
    ("Claimsburo Noord", "Agreement on file 2291 with a former reseller", ("6500",)),
    ("Verhuisgroep Maas", "Move of the test benches to Waalhaven", ("6100", "6650", "6900")),
    ("Archief Herstel", "Rebuild of the archive after the disk failure", ("6200", "5030")),
    ("Airbridge Charter", "Charter flight for the Lisbon order", ("6600", "5040")),
    ("Pavilion Standbouw", "Stand rebuilt after the storm in Amsterdam", ("6410", "6400")),
    ("Paardekooper Interim", "Stand-in for the head of department, eight weeks", ("6550", "6900", "6500")),
    ("Retourlogistiek Zuid", "Collection of batch 417 from customers", ("6600", "5020", "5010")),
    ("Kabelwerk Spijk", "Repair of the fibre cut at Kade 14", ("6850", "6150", "6100")),
)
NEW_CUSTOMERS = (
    "Ministry of Waters, Kestovia",
    "Grand Canal Authority",
    "Oresund Crossing Works",
    "Meuse Flood Relief",
    "Highland Dams",
)
SMALL_NEWCOMERS = (
    "Broodje Centraal", "Print & Paper Delfshaven", "Taxi Noordereiland", "Hotel De Sluiswachter", "Slotenmaker Vos",
)  # fmt: skip
