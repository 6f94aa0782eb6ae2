"""Frequent given names, and words with capitals that are no part of a name."""

from __future__ import annotations

# Given names that are hardly ever anything else when a word with a capital follows. Mark, Will, Grace, Paris, Jordan and
# their like are left out: they begin other things.
_GIVEN_NAMES = """
James John Robert Michael William David Richard Joseph Thomas Charles Christopher Daniel Matthew Anthony Steven Paul
Andrew Joshua Kenneth Kevin Brian George Edward Ronald Timothy Jason Jeffrey Ryan Jacob Gary Nicholas Eric Jonathan
Stephen Larry Justin Scott Brandon Benjamin Samuel Gregory Alexander Patrick Raymond Dennis Jerry Tyler Aaron Jose Adam
Nathan Henry Douglas Zachary Peter Kyle Noah Ethan Jeremy Walter Christian Keith Roger Terry Sean Gerald Carl Dylan
Harold Arthur Lawrence Jesse Bryan Billy Bruce Gabriel Joe Logan Alan Juan Albert Willie Elijah Wayne Randy Vincent
Mason Roy Ralph Bobby Russell Bradley Philip Eugene Liam Oliver Lucas Leo Oscar Hugo Felix Simon Martin Ian Neil Craig
Graham Stuart Derek Colin Nigel Gareth Callum Mary Patricia Jennifer Linda Elizabeth Barbara Susan Jessica Sarah Karen
Lisa Nancy Betty Sandra Margaret Ashley Kimberly Emily Donna Michelle Carol Amanda Melissa Deborah Stephanie Rebecca
Sharon Laura Cynthia Dorothy Amy Kathleen Angela Shirley Emma Brenda Pamela Nicole Anna Samantha Katherine Christine
Debra Rachel Carolyn Janet Maria Olivia Heather Helen Catherine Diane Julie Victoria Joyce Lauren Kelly Christina Joan
Evelyn Judith Andrea Hannah Megan Cheryl Jacqueline Martha Madison Teresa Gloria Sara Janice Ann Kathryn Abigail Sophia
Frances Jean Alice Judy Isabella Julia Denise Beverly Amber Theresa Marilyn Danielle Diana Brittany Natalie Charlotte
Marie Kayla Alexis Lori Claire Chloe Lucy Zoe Ella Mia Isla Freya Imogen Fiona Siobhan Carlos Luis Miguel Jorge Pedro
Diego Javier Fernando Alejandro Rafael Sofia Lucia Elena Carmen Ana Isabel Antonio Francisco Manuel Pierre Jacques
Michel Philippe Francois Camille Hans Klaus Stefan Wolfgang Jurgen Giovanni Giulia Marco Luca Francesca Matteo Ahmed
Mohammed Muhammad Mohamed Ali Hassan Omar Fatima Aisha Ibrahim Yusuf Khalid Layla Priya Raj Rahul Amit Anjali Sanjay
Sunita Deepak Vijay Arjun Ravi Sunil Neha Pooja Yuki Hiroshi Kenji Sakura Takashi Ivan Dmitri Sergei Olga Natasha
Svetlana Igor Vladimir Tom Tim Jim Bob Mike Steve Dave Dan Ben Sam Alex Chris Nick Tony Andy Greg Jeff Matt Josh Jake
Kate Katie Jenny Becky Debbie Cathy Abdul Adele Adrian Adriana Adrienne Agnes Aiden Aimee Alberto Aldo Alexandra
Alexandre Alfred Alfredo Alicia Alina Alison Allan Alma Amalia Amelia Anastasia Anders Andre Andreas Anette Angelica
Angelina Anita Anne Annette Annie Antoinette Anton Antonia Ariana Arne Arnold Artur Astrid Augusto Aurelia Barry
Beatrice Beatriz Belinda Berit Bernadette Bernard Bernardo Berta Beth Bettina Bianca Birgit Boris Brendan Brett Britt
Bruno Caleb Cameron Camila Camilla Carina Carla Caroline Cassandra Cathrine Cecilia Celia Charlie Clara Clare Claudia
Claudio Clifford Colleen Connor Conor Cornelia Cristian Cristina Dagmar Damian Dana Daniela Danilo Danny Darren Darryl
Declan Delia Denis Dina Dolores Dominic Dominik Donald Dora Doris Duncan Edgar Edith Eduardo Edwin Eileen Elaine
Eleanor Elias Elin Elisa Elisabet Elisabeth Elise Ellen Ellie Elliot Elsa Elvira Ema Emanuel Emil Emilia Emilie Emilio
Erica Erik Erika Ernest Ester Esther Eugenia Eva Fabian Felicia Filip Finn Francis Frank Frederick Frida Gabriela
Gabriella Gabrielle Gavin Gemma Geoffrey Georgina Geraldine Gerard Gilbert Gillian Gina Glenn Gordon Gunnar Gustavo
Hanna Harriet Harry Hayley Heidi Helena Helge Henrik Herbert Hilda Holly Hubert Hugh Ilona Ilse Imelda Inga Ingrid
Irene Iris Irma Isaac Isabela Isabelle Ivo Jack Jaime Jakob Jamie Jana Jane Janine Janne Jasmin Jay Jeanette Jenna Jens
Jill Joanna Joanne Joel Johan Johanna Johannes Johnny Jon Jonas Josephine Julian Juliana Julius Justine Kari Karin
Karina Karl Karla Katja Katrina Kieran Kim Kirsten Klara Kristian Kristin Kristina Kristine Kurt Lara Lars Lea Leah
Leif Lena Leon Leona Leonard Leonardo Leonie Lesley Leslie Levi Lidia Liliana Lina Livia Lorena Lorenzo Loretta
Lorraine Louis Louise Luciana Luisa Luka Lukas Luke Lydia Lynda Lynn Madeleine Magdalena Magnus Maja Malcolm Mandy
Manuela Mara Marc Marcel Marcela Marcus Marek Margareta Margit Marian Mariana Marianne Marika Marina Mario Marion
Marisa Marit Marita Marius Marko Markus Marlene Marta Martina Mathew Mathias Matilda Maura Maureen Maurice Maya Melania
Melanie Melina Michaela Micheal Michele Milena Minna Mira Miriam Mitchell Molly Mona Monica Monika Monique Nadia Nadine
Naomi Natalia Nathaniel Nicola Nicolas Niko Nikola Nils Nina Noa Noel Nora Norbert Norman Ofelia Oskar Otto Owen Paola
Patrik Paula Paulina Pauline Petra Phillip Pia Rachael Ramona Raquel Rebeca Regina Renata Renato Ricardo Rita Roberta
Roberto Rodrigo Roland Rolf Rosa Rosario Ross Ruben Rudolf Ruth Sabina Sabrina Sally Sami Sebastian Sergio Seth Shane
Shannon Shaun Sigrid Silvia Simone Sofie Solveig Sonia Sonja Sophie Stacey Stella Stewart Susanna Susanne Suzanne
Sylvia Tamara Tania Tanja Tanya Tara Tatiana Terence Thea Theo Therese Timo Tina Tobias Tomas Tommy Toni Tracey Tracy
Trevor Tristan Ulla Ursula Valentina Valeria Valerie Vanessa Vera Veronica Veronika Vicente Victor Viktor Vilma Violeta
Warren Wendy Xavier Yasmin Yolanda Yvonne Zara Aarav Aditi Ananya Arun Ashok Divya Gaurav Harish Karthik Kavita Lakshmi
Mahesh Manish Meera Mohan Mukesh Nikhil Nisha Prakash Pranav Preeti Rajesh Rakesh Ramesh Rohan Rohit Sachin Sandeep
Sanjana Shreya Suresh Swati Tanvi Varun Vikram Vishal Abdullah Ahmad Amina Amir Bilal Farah Farid Hamza Hussein Ismail
Jamal Karim Khadija Leila Mahmoud Mariam Mehmet Mustafa Nasser Noor Rashid Saeed Salma Samir Tariq Youssef Zainab Zahra
Akira Haruki Haruto Hideo Kazuo Keiko Kenta Naoki Satoshi Shinji Taro Yoko Linh Minh Thanh Huong Tuan Kwame Kofi Chidi
Chinedu Ngozi Oluwaseun Adebayo Femi Tunde Emeka Ifeoma Wanjiru Njoroge Thabo Sipho Lerato Nomsa Aleksander Aleksandra
Agnieszka Andrzej Bartosz Dariusz Grzegorz Jakub Kasia Katarzyna Krzysztof Magda Malgorzata Marcin Mateusz Michal Pawel
Piotr Tomasz Wojciech Zofia Alexei Aleksei Andrei Anatoly Dmitry Ekaterina Evgeny Galina Irina Konstantin Ksenia
Ludmila Maxim Mikhail Nikita Nikolai Oleg Pavel Sasha Sergey Tatyana Vadim Yulia Yuri Bogdan Bohdan Mykola Oksana Taras
Volodymyr Andriy José María François Björn Jürgen Søren Zoë Chloë André René Renée Jesús Ángel Raúl Inés Sofía Lucía
Joaquín Rubén Eoin Niamh Aoife Ciaran Sinead Padraig Rhys Ewan Angus Hamish Alistair Freddie Alfie Archie Theodore
Sebastián Mateo Santiago Thiago Joao João Luiz Paulo Vitor Guilherme Larissa Leticia Fernanda Aaliyah Jayden Kayden
Brayden Kaylee Makayla Mackenzie Brianna Alyssa Jocelyn Marissa Kristen Kirk Keira Kylie Tegan Bethany Harvey Toby
Elsie Millie Georgie Lottie Nate Ned Ted Ron Ken Doug Phil Rick Vince Wes Zach Zack Gus Hank Ernie Eddie Freddy
Johnathan
"""
_PINYIN_SURNAMES = """
Zhang Wang Liu Chen Yang Zhao Huang Zhou Xu Zhu Guo Luo Zheng Liang Xie Deng Feng Cao Zeng Peng Xiao Jiang Cai Li Wu
Lin Ma Hu Gao Tang Yuan Wei Xue Yan Lei Hou Meng Qin Qiu Shi Fu Lu Shen Yao Cui Tan Liao Fan Jin Dai Jia Xia Zou
Xiong Duan Ouyang Situ Zhuge Sun Song Han Ren Shao Yin Kong Bai Su Lai He Jing Yu Hao Shao Tao Ding Dong
"""
# Given names that are words as well: with one of the family names below alone.
_WORDS_TOO = """
Mark Max Grace Rose Jordan Dean Dawn Joy Will Bill Sue Pat Art Ray Faith Hope Summer Autumn Lily Daisy Violet Ivy
Ruby Pearl Jade Amber Crystal Chelsea Paris London Austin Dallas Chase Cole Grant Reed Drew Blake Parker Carter
Hunter Taylor Morgan Jackson Lincoln Madison Savannah Sierra Sydney Georgia Virginia Carolina Florence Rob Rich Don
Jan Lee Kim Robin Roman Glen Guy Frank Miles
"""
_SURNAMES = """
Smith Johnson Williams Brown Jones Garcia Miller Davis Rodriguez Martinez Hernandez Lopez Gonzalez Wilson Anderson
Thomas Taylor Moore Jackson Martin Lee Perez Thompson White Harris Sanchez Clark Ramirez Lewis Robinson Walker Allen
Wright Scott Torres Nguyen Flores Adams Nelson Baker Rivera Campbell Mitchell Carter Roberts Gomez Phillips Evans
Turner Diaz Parker Cruz Edwards Collins Reyes Stewart Morris Morales Murphy Cook Rogers Gutierrez Ortiz Cooper
Peterson Bailey Kelly Howard Ramos Kim Cox Ward Richardson Watson Chavez Wood Bennett Gray Mendoza Ruiz Hughes
Alvarez Castillo Sanders Patel Myers Foster Jimenez Powell Jenkins Perry Russell Sullivan Coleman Butler Henderson
Barnes Fisher Simmons Jordan Patterson Reynolds Hamilton Graham Wallace Cole Owens Gibson Mcdonald McDonald Ellis
Bryant Marshall Kumar Sharma Singh Gupta Khan Ahmed Ali Hussain Müller Schmidt Schneider Fischer Weber Meyer Wagner
Becker Hoffmann Rossi Russo Ferrari Bianchi Silva Santos Oliveira Souza Costa Pereira Novak Kowalski Nowak Ivanov
Petrov Sokolov Popov Tanaka Suzuki Sato Yamamoto Watanabe Takahashi Park Choi Tran Pham Okafor Okonkwo Mensah Dubois
Durand Moreau Laurent Lefebvre Bernard Petit Jensen Nielsen Hansen Larsen Olsen Berg Lindberg Virtanen O'Brien
O'Connor O'Neill O'Sullivan Byrne Walsh Doyle McCarthy Gallagher Doherty Kennedy Lynch Murray Quinn Moore MacDonald
Fraser Sinclair
"""
# Words with capitals that stand where names stand, and are none.
_NO_NAMES = """
Customer Customers Client Clients Team Teams Support Sir Sirs Madam Service Services Hiring Manager Managers All
Everyone Everybody There Friend Friends Colleague Colleagues Members Member User Users Admin Administrator Department
Office Company Inc Ltd LLC Corp Group Bank University College School Hospital Center Centre Project Product Plan Test
Tests Testing Build Deploy Release Server Image Docker Api App Application Data Database System Network Error Name
Names Unknown None Null True False Yes No Not Street Road Avenue Monday Tuesday Wednesday Thursday Friday Saturday
Sunday January February March April June July August September October November December Today Tomorrow Yesterday The
This That These Those And But Or If When Where What Who Why How Please Thanks Thank Hello Hi Hey Dear Regards Best Kind
Sincerely Cheers Order Number Account Email Phone Address Date Time Contact Us Me You We They He She It Your Our My His
Her Their Its Is Are Was Were Has Have Had Will Would Can Could Should May Might Must Do Does Did New Old First Last
Sales Marketing Finance Legal Human Resources Help Desk Info Information Technology Software Engineer Developer
Director President Online Store Shop Hotel Restaurant City State County Country North South East West United States
Kingdom America China English Chinese French German Spanish Japanese Apple Google Microsoft Amazon Premium Basic
Standard Pro Plus Free Main Default Example Sample Demo Recruiter Applicant Candidate Patient Doctor Nurse Teacher
Student Students Parent Parents Professor Guest Guests Sender Recipient Valued Reader Readers Subscriber Partner
Partners Board Committee Council Chair Chairman Secretary Head Chief Executive Officer On At In For From To With By As
Of A An Also Then Again Here Currently Still Just Sorry Happy Sure Glad Afraid Good Great Fine Ok Okay Pepper Robot
Universe World Muffet Piggy Marvel Strange Subject Re Cc Bcc Sent Attn Ref Payment Invoice Delivery General Public
Private Security Privacy Policy Terms Conditions Version Chapter Section Table Figure Page Step Part Mr Mrs Ms Miss Mx
Dr Prof Platform Engineering Operations Ops Infrastructure Infra DevOps Frontend Backend Core Web Mobile Cloud Billing
Growth Design Research Quality Assurance Success Care Directory Active Router React Native Vec Hash Map Set List Array
String Object Class Function Method Module Package Library Framework Studio Code Visual Windows Linux Unix Ubuntu
Android Chrome Firefox Safari Edge Internet Explorer Github GitLab Kubernetes Terraform Redis Kafka Spark Hadoop Oracle
Postgres Mongo Elastic Search Engine Machine Learning Deep Neural Artificial Intelligence Natural Language Processing
Open Source Foundation Institute Museum Bridge Airport Stadium Lake River Mount Mountain Island Bay Beach Valley Hills
Square Tower Building House Hall Room Floor Suite Global National International Federal Central Royal Union Party Army
Navy Air Force War Day Week Month Year Night Morning Afternoon Evening Spring Summer Autumn Winter Red Blue Yellow Big
Small Short High Low Top Bottom Left Right Up Down Out Front Back Side End Start Begin Next Previous Current Latest
Total Net Gross Tax Price Cost Value Rate Amount Balance Credit Debit Card Gift Cash Money Trust Fund Capital Insurance
Health Medical Dental Life Home Car Auto Motor Travel Trip Flight Train Bus Taxi Rail Station Port Food Coffee Tea Wine
Beer Water Ice Fire Earth Moon Star Sky Sea Ocean Land Farm Garden Forest Tree Flower Animal Dog Cat Bird Fish
Horse Game Games Play Sports Football Baseball Basketball Tennis Golf Music Film Movie Show Book Books News Times Post
Journal Magazine Press Media Social Facebook Twitter Instagram Youtube Linkedin Zoom Slack Skype Outlook Word Excel
Kitty Max Mini Ultra Drive Pixel Galaxy Note Tab Watch Tablet Laptop Desktop Screen Keyboard Mouse Printer Camera Video
Audio Progress Pending Review Approved Rejected Closed Opened Done Todo Failed Passed Warning Critical Fatal Debug
Trace Log Logs Message Connection Host Unreachable Refused Timeout Exception Request Response Status Type Format Input
Output File Folder Path Url Link Key Token Access Control Login Logout Sign Signup Register Session Cookie Cache Memory
Disk Cpu Gpu Thread Process Job Task Queue Worker Scheduler Proxy Gateway Load Balancer Cluster Node Pod Container
Volume Storage Bucket Row Column Index Query Schema View Trigger Procedure Cursor Migration Backup Restore Upgrade
Update Install Uninstall Setup Config Configuration Settings Options Preferences Profile Dashboard Report Reports Chart
Graph Analytics Metrics Monitoring Alert Alerts Incident Ticket Issue Bug Feature Story Epic Sprint Backlog Roadmap
Milestone Deadline Meeting Agenda Minutes Notes Summary Overview Introduction Conclusion Appendix References Abstract
Results Discussion Methods Background Related Work Future Acknowledgements Europe Asia Africa Australia Germany France
Spain Italy Japan India Russia Brazil Mexico Ireland Scotland Wales Britain British London Paris Berlin Madrid Rome
Tokyo Beijing Shanghai Hong Kong Singapore Sydney York Washington Angeles Francisco Chicago Boston Seattle Houston
Texas Florida Korean Russian Italian Portuguese Dutch Greek Arabic Hindi Latin Roman Western Eastern Northern Southern
Pacific Atlantic Indian Arctic Two Three Four Five Six Seven Eight Nine Ten One Second Third Fourth Squad Crew Staff
Line Hotline Helpdesk Reception Branch Division Unit Area Region Zone District Province Village Town Accounts Payable
Receivable Procurement Logistics Warehouse Shipping Returns Refund Refunds Purchase Sale Vendor Supplier Contract
Agreement Lease License Licence Permit Certificate Diploma Degree Course
Plaintiff Defendant Appellant Respondent Claimant Petitioner Tenant Landlord Witness Physician Surgeon Attending
Speaker Spouse Cardholder Emergency Foo Bar Baz Qux Lorem Ipsum Hereby Whereas
Therefore However Although Because Since While Until After Before During Between About Above Below Under Over Into Onto
Upon Within Without Through Across Against Along Among Around Behind Beside Beyond Near Off Per Via See Use Using Used
Click Enter Select Choose Close Save Delete Remove Add Edit Copy Paste Cut Undo Redo Print Share Send Receive Upload
Download Import Export Refresh Reload Any Each Every Some Many Most More Less Few Several Other Another Such Only Own
Same Than Too Very Now Later Soon Always Never Often Sometimes Let Make Take Get Got Go Come Run Call Ask Tell Say Said
Know Think Want Need Like Hate Find Keep Give Put Bring Try Turn Move Live Eng Dev Qa Hr Vp Ceo Cto Cfo Coo
"""
GIVEN_NAMES = frozenset(_GIVEN_NAMES.split())
PINYIN_SURNAMES = frozenset(_PINYIN_SURNAMES.split())
WORDS_TOO = frozenset(_WORDS_TOO.split())
SURNAMES = frozenset(_SURNAMES.split())
NO_NAMES = frozenset(_NO_NAMES.split())
# The end of a label before a sign. One that calls teams and machines as often as people (`Owner`, `From`) is none of them.
_ROLES = """
customer client patient contact employee recipient receiver sender user student applicant cardholder beneficiary
passenger guest guardian parent buyer seller tenant landlord borrower insured author manager doctor physician driver
reporter assignee consignee payee payer debtor creditor member subscriber caller agent representative holder witness
spouse person candidate nurse teacher supervisor lessee lessor plaintiff defendant
"""
_PARTS = """
full first last family given middle maiden legal real preferred display
"""
_OTHER_LABELS = (
    "surname|attn|attention|signed|signed by|signature|prepared by|approved by|reviewed by|submitted by|requested by|"
    "reported by|assigned to|created by|written by|authorized by|issued to|bill to|ship to|sold to|deliver to|"
    "name on card|poc|point of contact|contact person|next of kin|requester|interviewer|attendees|participants"
)
LABELS = (
    *(f"{role}{gap}name" for role in _ROLES.split() for gap in ("", " ", "_", "-", "'s ")),
    *(f"{part}{gap}name" for part in _PARTS.split() for gap in ("", " ", "_", "-")),
    *_ROLES.split(),
    *_OTHER_LABELS.split("|"),
)
# Before a name in a sentence, and before a given name that is known.
_PHRASES = (
    "my name is|my name's|name is|i am called|call me|this is|i am|i'm|i’m|speaking with|speaking to|spoke with|"
    "spoke to|talk with|talk to|talked to|talked with|met with|meeting with|signed by|sincerely yours|addressed to|"
    "contact person is|ask for|named|known as|reach out to|reported by|prepared by|approved by|assigned to|"
    "behalf of|c/o|attn|attention|colleague|wife|husband|mother|father|brother|sister|daughter|son|friend|"
    "neighbour|neighbor|boss|patient|customer|client|employee|defendant|plaintiff|tenant|landlord|passenger|"
    "student|candidate|applicant|nurse|witness|driver|manager|teacher|author|cc|bcc|dri|attending|speaker|surgeon|"
    "by|user|owner|v.|vs.|physician|professor|spouse|partner|guardian|account holder|cardholder|ping|pinged|remind|reminded|"
    "interviewed|hire|hired|welcome|congratulations to|payable to|received by|delivered to|prepared for|according to|"
    "loop in|looped in|interview with|call with|lunch with|complaint against|directed by|pt|reservation under|"
    "booked for|emergency contact|thank you|thanks to|forwarded to|sent to|wired to|married to|signed|"
    "deceased|claimant|respondent|petitioner|"
    "appellant|co-authored-by|reviewed-by|signed-off-by|doctor|coach|supervisor|roommate|landlady|cousin|uncle|aunt|nephew|"
    "niece|grandmother|grandfather|girlfriend|boyfriend|fiancée|fiance|stepson|buyer|seller|borrower|beneficiary|payee"
)
PHRASES = tuple(_PHRASES.split("|"))
_VERBS = """
with to from for by ask asked tell told call called contact email ping meet met and cc inform notify remind thank
invite help ping pinged remind reminded email emailed invited informed notified thanked helped hired hire interviewed
welcome booked let give gave send sent
"""
VERBS = tuple(_VERBS.split())
