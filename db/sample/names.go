package sample

// locale is where a person lives: the names, the phones and the mails of that
// country. A # in a phone is any digit.
type locale struct {
	country string
	share   int // of all people
	family  bool
	first   []string
	last    []string
	cities  []string // city|postcode|region
	streets []string
	mobiles []string
	offices []string
	domain  string
}

var locales = []locale{
	{country: "United States", share: 34, domain: "com",
		first:   []string{"James", "Mary", "Robert", "Patricia", "Michael", "Jennifer", "William", "Linda", "David", "Elizabeth", "Sarah", "Thomas", "Karen", "Daniel", "Nancy", "Matthew", "Emily", "Anthony", "Ashley", "Mark", "Ruth", "Ava", "Noah", "Olivia", "Liam", "Grace"},
		last:    []string{"Smith", "Johnson", "Williams", "Brown", "Jones", "Garcia", "Miller", "Davis", "Rodriguez", "Wilson", "Anderson", "Taylor", "Moore", "Jackson", "Martin", "Lee", "Thompson", "White", "Harris", "Clark", "Lewis", "Robinson", "Walker", "Young", "O'Brien", "Baker-Hill"},
		cities:  []string{"New York|10016|NY", "San Francisco|94107|CA", "Chicago|60611|IL", "Austin|78701|TX", "Boston|02110|MA", "Seattle|98101|WA", "Denver|80202|CO"},
		streets: []string{"Main St", "Market St", "Oak Avenue", "5th Avenue", "Lake Shore Drive", "Elm St"},
		mobiles: []string{"(4#5) 555-01##", "+1 2#2 555 01##", "3#2.555.01##", "+1-5#2-555-01##", "+1 7#4 555 01##"}, offices: []string{"(6#7) 555-01## x##", "+1 2#6 555 01##", "1-3#3-555-01##", "(8#4) 555-01##"}},
	{country: "United Kingdom", share: 10, domain: "co.uk",
		first:   []string{"Oliver", "Amelia", "George", "Isla", "Harry", "Freya", "Jack", "Poppy", "Alfie", "Imogen", "Siân", "Rhys", "Fiona", "Hamish"},
		last:    []string{"Smith", "Jones", "Taylor", "Evans", "Wright", "Hughes", "Green", "Hall", "Wood", "Clarke", "MacLeod", "Fitzgerald", "Llewellyn"},
		cities:  []string{"London|EC2A 4BX|", "Manchester|M1 5AN|", "Edinburgh|EH1 1YZ|", "Bristol|BS1 4DJ|"},
		streets: []string{"High Street", "Station Road", "Church Lane", "Victoria Road"},
		mobiles: []string{"+44 7700 900###", "07700 900###"}, offices: []string{"+44 20 7946 0###", "020 7946 0###", "+44 (0)161 496 0###"}},
	{country: "Germany", share: 11, domain: "de",
		first:   []string{"Lukas", "Anna", "Jürgen", "Sabine", "Jörg", "Käthe", "Maximilian", "Sophie", "Günther", "Lena", "Björn", "Heike", "Matthias", "Ulrike"},
		last:    []string{"Müller", "Schmidt", "Schneider", "Fischer", "Weber", "Weiß", "Großmann", "Schäfer", "Köhler", "Jäger", "von der Heide", "Strauß", "Böhm", "Krüger"},
		cities:  []string{"Berlin|10115|", "München|80331|Bayern", "Köln|50667|NRW", "Hamburg|20095|", "Düsseldorf|40213|NRW"},
		streets: []string{"Hauptstraße", "Schulstraße", "Bahnhofstraße", "Lindenallee", "Am Markt"},
		mobiles: []string{"+49 151 5####### ", "0171 3######"}, offices: []string{"+49 30 901820##", "089 / 2180-####", "+49 (0)221 34###0"}},
	{country: "Switzerland", share: 8, domain: "ch",
		first:   []string{"Reto", "Ursina", "Beat", "Regula", "Urs", "Céline", "Jürg", "Nadège", "Luca", "Chiara", "Andri", "Seraina", "François", "Zoë"},
		last:    []string{"Meier", "Müller", "Keller", "Huber", "Zürcher", "Bünzli", "Favre", "Rochat", "Bernasconi", "Caduff", "Rüegg", "Hösli", "Dubois", "Gräub"},
		cities:  []string{"Zürich|8001|ZH", "Genève|1204|GE", "Bern|3011|BE", "Basel|4051|BS", "Lugano|6900|TI", "Chur|7000|GR"},
		streets: []string{"Bahnhofstrasse", "Rue du Rhône", "Seestrasse", "Via Nassa", "Dorfstrasse"},
		mobiles: []string{"+41 79 555 ## ##", "079 555 ## ##", "0041 76 555 ## ##"}, offices: []string{"+41 44 668 ## ##", "044 668 ## ##", "+41 (0)22 555 ## ##"}},
	{country: "France", share: 8, domain: "fr",
		first:   []string{"Léa", "Hugo", "Chloé", "Théo", "Inès", "Jérôme", "Éloïse", "Benoît", "Anaïs", "Gaël", "Aurélie", "Loïc"},
		last:    []string{"Martin", "Bernard", "Lefèvre", "Dupré", "Moreau", "Lefebvre", "Garçon", "Faure", "D'Aubigné", "Rivière", "Noël", "Béranger"},
		cities:  []string{"Paris|75011|", "Lyon|69002|", "Marseille|13001|", "Nîmes|30000|"},
		streets: []string{"rue de la Paix", "avenue Foch", "rue Saint-Honoré", "boulevard Voltaire"},
		mobiles: []string{"+33 6 39 98 ## ##", "06 39 98 ## ##"}, offices: []string{"+33 1 99 00 ## ##", "01.99.00.##.##"}},
	{country: "Spain", share: 6, domain: "es",
		first:   []string{"José", "María", "Íñigo", "Lucía", "Andrés", "Begoña", "Joaquín", "Núria", "Álvaro", "Inés"},
		last:    []string{"García", "Núñez", "Muñoz", "Ibáñez", "López", "Peña", "Domínguez", "Sánchez", "Gómez de la Torre", "Ordóñez"},
		cities:  []string{"Madrid|28013|", "Barcelona|08002|", "Málaga|29001|", "A Coruña|15001|"},
		streets: []string{"Calle Mayor", "Gran Vía", "Carrer de Balmes", "Paseo del Prado"},
		mobiles: []string{"+34 612 34 ## ##", "612 34 ## ##"}, offices: []string{"+34 91 555 ## ##", "915 55 ## ##"}},
	{country: "Italy", share: 4, domain: "it",
		first:   []string{"Giulia", "Lorenzo", "Nicolò", "Francesca", "Niccolò", "Alessia", "Matteo", "Chiara"},
		last:    []string{"Rossi", "Russo", "Ferrari", "Esposito", "Bianchi", "D'Angelo", "Cantù", "Fabbri"},
		cities:  []string{"Milano|20121|MI", "Roma|00184|RM", "Forlì|47121|FC"},
		streets: []string{"Via Roma", "Corso Buenos Aires", "Via Garibaldi"},
		mobiles: []string{"+39 347 55# ####"}, offices: []string{"+39 02 555 ####", "02 555 ####", "06 555 ####"}},
	{country: "Sweden", share: 4, domain: "se",
		first:   []string{"Åsa", "Björn", "Märta", "Örjan", "Elsa", "Håkan", "Saga", "Göran"},
		last:    []string{"Åkesson", "Lindström", "Öberg", "Sjögren", "Andersson", "Nyström", "Hägg", "Söderlund"},
		cities:  []string{"Stockholm|111 29|", "Göteborg|411 06|", "Malmö|211 22|"},
		streets: []string{"Storgatan", "Drottninggatan", "Kungsgatan"},
		mobiles: []string{"+46 70 174 06 ##", "070-174 06 ##"}, offices: []string{"+46 8 465 004 ##"}},
	{country: "Denmark", share: 2, domain: "dk",
		first: []string{"Søren", "Bjørk", "Jørgen", "Kåre", "Mette", "Ærnst"}, last: []string{"Sørensen", "Østergård", "Kjær", "Møller", "Nørgaard", "Bøgh"},
		cities: []string{"København|1550|", "Ærøskøbing|5970|"}, streets: []string{"Nørrebrogade", "Vestergade"}, mobiles: []string{"+45 32 12 ## ##"}, offices: []string{"+45 33 12 ## ##"}},
	{country: "Poland", share: 4, domain: "pl",
		first:   []string{"Łukasz", "Agnieszka", "Paweł", "Małgorzata", "Michał", "Żaneta", "Jędrzej", "Zofia"},
		last:    []string{"Wójcik", "Kowalczyk", "Woźniak", "Łukasik", "Dąbrowska", "Błaszczyk", "Żak", "Król"},
		cities:  []string{"Warszawa|00-001|", "Kraków|31-001|", "Łódź|90-001|"},
		streets: []string{"ul. Długa", "ul. Świętokrzyska", "al. Jerozolimskie"},
		mobiles: []string{"+48 512 34# ###", "512-34#-###"}, offices: []string{"+48 22 555 ## ##"}},
	{country: "Türkiye", share: 2, domain: "com.tr",
		first: []string{"Işıl", "Çağlar", "Ömer", "Şebnem", "Gökçe", "Ümit"}, last: []string{"Yılmaz", "Öztürk", "Şahin", "Çelik", "Aydın", "Doğan"},
		cities: []string{"İstanbul|34000|", "İzmir|35000|"}, streets: []string{"İstiklal Caddesi", "Atatürk Bulvarı"}, mobiles: []string{"+90 532 555 ## ##"}, offices: []string{"+90 212 555 ## ##"}},
	{country: "Czechia", share: 2, domain: "cz",
		first: []string{"Jiří", "Kateřina", "Ondřej", "Šárka", "Žofie", "Tomáš"}, last: []string{"Dvořák", "Novák", "Svobodová", "Růžička", "Černý", "Žižka"},
		cities: []string{"Praha|110 00|", "Plzeň|301 00|"}, streets: []string{"Národní", "Nádražní"}, mobiles: []string{"+420 601 55# ###"}, offices: []string{"+420 222 55# ###"}},
	{country: "Japan", share: 2, family: true, domain: "jp",
		first: []string{"太郎", "花子", "美咲", "翔太", "陽菜", "健一"}, last: []string{"佐藤", "鈴木", "高橋", "田中", "渡辺", "山本"},
		cities: []string{"東京|100-0001|", "大阪|530-0001|"}, streets: []string{"丸の内", "梅田"}, mobiles: []string{"+81 90-5550-##00"}, offices: []string{"+81 3-5555-00##"}},
	{country: "China", share: 2, family: true, domain: "cn",
		first: []string{"伟", "芳", "秀英", "敏", "静", "磊"}, last: []string{"王", "李", "张", "刘", "陈", "杨"},
		cities: []string{"上海|200000|", "北京|100000|"}, streets: []string{"南京路", "中山路"}, mobiles: []string{"+86 138 0013 80##"}, offices: []string{"+86 21 5555 00##"}},
	{country: "Vietnam", share: 1, family: true, domain: "vn",
		first: []string{"Thị Hương", "Văn Đức", "Ngọc Ánh", "Quốc Bảo"}, last: []string{"Nguyễn", "Trần", "Phạm", "Đặng"},
		cities: []string{"Hà Nội|100000|", "Đà Nẵng|550000|"}, streets: []string{"Phố Huế", "Lê Lợi"}, mobiles: []string{"+84 91 234 56 ##"}, offices: []string{"+84 24 5555 00##"}},
}

var (
	companyWords  = []string{"Alpine", "Northwind", "Bright", "Silver", "Blue River", "Granite", "Summit", "Harbour", "Meridian", "Cedar", "Copper", "Lumen", "Atlas", "Orchard", "Polar", "Vertex", "Quarry", "Falcon", "Juniper", "Delta", "Kestrel", "Linden", "Opal", "Saffron", "Étoile", "Müller", "Østlund", "Nørre", "Señal", "Kraków"}
	companyTrades = []string{"Logistics", "Foods", "Systems", "Textiles", "Energy", "Robotics", "Pharma", "Media", "Travel", "Optics", "Timber", "Analytics", "Mechanics", "Interiors", "Insurance", "Chemicals", "Instruments", "Packaging", "Software", "Shipping"}
	industries    = []string{"logistics", "food", "software", "textiles", "energy", "manufacturing", "pharmaceuticals", "media", "travel", "optics", "forestry", "software", "engineering", "furniture", "insurance", "chemicals", "instruments", "packaging", "software", "shipping"}
	companyForms  = map[string]string{"United States": "Inc.", "United Kingdom": "Ltd", "Germany": "GmbH", "Switzerland": "AG", "France": "SAS", "Spain": "S.L.", "Italy": "S.r.l.", "Sweden": "AB", "Denmark": "ApS", "Poland": "Sp. z o.o.", "Czechia": "s.r.o.", "Japan": "株式会社", "China": "有限公司"}
	jobTitles     = []string{"Head of Purchasing", "Chief Executive", "IT Manager", "Buyer", "Office Manager", "Chief Financial Officer", "Operations Director", "Engineer", "Assistant", "Plant Manager", "Head of Sales", "Project Lead", ""}
	departments   = []string{"Purchasing", "Management", "IT", "Finance", "Operations", "Engineering", ""}
	personNotes   = []string{"Met at the spring fair; wants to see the new scanner.", "Prefers to be called before 10.", "Knows the competition well, asks for references.", "Likes short mails.", "Was at our workshop; introduced us to the finance department.", "On parental leave until the autumn.", "Speaks French and German.", "Decides together with the plant manager."}
	nextSteps     = []string{"send the offer", "call about the budget", "show the demo on site", "wait for the legal check", "agree on the delivery date", "meet the decision maker"}
	lostReasons   = []string{"price", "competitor", "no budget", "no decision", "timing", "not given"}
	callSubjects  = []string{"Called about the offer", "Follow-up call", "Asked for references", "Talked about delivery dates", "Checked the requirements", "Invoice question"}
	taskSubjects  = []string{"Send the revised offer", "Call back", "Prepare the demo", "Ask for the order", "Check the contract", "Plan the visit", "Send the samples"}
	meetSubjects  = []string{"Visit on site", "Product demo", "Quarterly review", "Kick-off"}
	noteSubjects  = []string{"Impression", "Budget", "Competition", "Next year's plans"}
	activityTexts = []string{"They will decide within two weeks and want a written summary.", "Interested, but the budget is only free after the summer.", "Needs a second quote with the smaller package.", "Asked about integration with their ERP system.", "Satisfied with the last delivery.", "The competitor offered a lower price; quality matters more.", "", ""}
	callOutcomes  = []string{"reached", "reached", "reached", "voicemail", "no answer"}
	sources       = []string{"web", "referral", "event", "cold call", "partner"}
	tagNames      = []string{"vip", "newsletter", "reference", "fair 2026", "partner", "slow payer"}
	tagColors     = []string{"gold", "blue", "green", "cyan", "magenta", "red"}
	colleagues    = []string{"anna|Anna Keller|sales", "ben|Ben Fischer|sales", "carla|Carla Núñez|sales", "dmitri|Dmitri Sokolov|sales", "ella|Ella Østergård|support", "femi|Femi Adeyemi|administrator"}
	products      = []string{"SC-100|Scanner 100|Scanners|pcs|1490", "SC-300|Scanner 300|Scanners|pcs|3900", "GW-10|Gateway 10|Gateways|pcs|850", "GW-50|Gateway 50|Gateways|pcs|2400", "LIC-B|Basic licence|Licences|year|1200", "LIC-P|Professional licence|Licences|year|4800", "SUP-S|Support, standard|Services|year|900", "SUP-X|Support, round the clock|Services|year|5200", "TRN-1|Training day|Services|day|1350", "INS-1|Installation|Services|day|1100"}
)

// dealNames say what is sold, by the product's category; {n} is how many and
// {city} where. The customer is not named: it is shown beside.
var dealNames = map[string][]string{
	"Scanners": {"Scanner replacement", "{n} scanners for goods-in", "Scanners for the {city} plant", "Pilot in the {city} plant", "Warehouse rollout, {n} devices", "Spare scanners for {city}"},
	"Gateways": {"Gateway rollout", "{n} gateways for production", "Pump monitoring in {city}", "Pilot in the {city} plant", "Old gateways replaced", "Network extension, {city}"},
	"Licences": {"Annual licence, {n} seats", "Licence renewal", "{n} more seats", "Upgrade for {n} users", "Trial for the {city} office", "Framework contract, {n} seats"},
	"Services": {"Support for three years", "Training in {city}, {n} people", "Installation at the {city} site", "Support renewal", "Night shift support", "Introduction in {city}"},
}
