"""Frequent given names, and words with capitals that are no part of a name."""

from __future__ import annotations

# Given names that are hardly ever anything else when a word with a capital follows. Mark, Will, Grace, Paris, Jordan and
# their like are left out: they begin other things.
_GIVEN_NAMES = """
James John Robert Michael William David Richard Joseph Thomas Charles Christopher Daniel Matthew Anthony Steven Paul
Andrew Joshua Kenneth Kevin Brian George Edward Ronald Timothy Jason Jeffrey Ryan Jacob Gary Nicholas Eric Jonathan
Stephen Larry Justin Scott Brandon Benjamin Samuel Gregory Alexander Patrick Raymond Dennis Jerry Tyler Aaron Jose
Adam Nathan Henry Douglas Zachary Peter Kyle Noah Ethan Jeremy Walter Christian Keith Roger Terry Sean Gerald Carl
Dylan Harold Arthur Lawrence Jesse Bryan Billy Bruce Gabriel Joe Logan Alan Juan Albert Willie Elijah Wayne Randy
Vincent Mason Roy Ralph Bobby Russell Bradley Philip Eugene Liam Oliver Lucas Leo Oscar Hugo Felix Simon Martin Ian
Neil Craig Graham Stuart Derek Colin Nigel Gareth Callum Liam Mary Patricia Jennifer Linda Elizabeth Barbara Susan
Jessica Sarah Karen Lisa Nancy Betty Sandra Margaret Ashley Kimberly Emily Donna Michelle Carol Amanda Melissa
Deborah Stephanie Rebecca Sharon Laura Cynthia Dorothy Amy Kathleen Angela Shirley Emma Brenda Pamela Nicole Anna
Samantha Katherine Christine Debra Rachel Carolyn Janet Maria Olivia Heather Helen Catherine Diane Julie Victoria
Joyce Lauren Kelly Christina Joan Evelyn Judith Andrea Hannah Megan Cheryl Jacqueline Martha Madison Teresa Gloria
Sara Janice Ann Kathryn Abigail Sophia Frances Jean Alice Judy Isabella Julia Denise Beverly Amber Theresa Marilyn
Danielle Diana Brittany Natalie Charlotte Marie Kayla Alexis Lori Claire Chloe Lucy Zoe Ella Mia Isla Freya Imogen
Fiona Siobhan Carlos Luis Miguel Jorge Pedro Diego Javier Fernando Alejandro Rafael Sofia Lucia Elena Carmen Ana
Isabel Antonio Francisco Manuel Pierre Jacques Michel Philippe Francois Camille Hans Klaus Stefan Wolfgang Jurgen
Giovanni Giulia Marco Luca Francesca Matteo Ahmed Mohammed Muhammad Mohamed Ali Hassan Omar Fatima Aisha Ibrahim
Yusuf Khalid Layla Priya Raj Rahul Amit Anjali Sanjay Sunita Deepak Vijay Arjun Ravi Sunil Neha Pooja Yuki Hiroshi
Kenji Sakura Takashi Ivan Dmitri Sergei Olga Natasha Svetlana Igor Vladimir Tom Tim Jim Bob Mike Steve Dave Dan Ben
Sam Alex Chris Nick Tony Andy Greg Jeff Matt Josh Jake Kate Katie Jenny Becky Debbie Cathy
"""
_PINYIN_SURNAMES = """
Zhang Wang Liu Chen Yang Zhao Huang Zhou Xu Zhu Guo Luo Zheng Liang Xie Deng Feng Cao Zeng Peng Xiao Jiang Cai Li Wu
Lin Ma Hu Gao Tang Yuan Wei Xue Yan Lei Hou Meng Qin Qiu Shi Fu Lu Shen Yao Cui Tan Liao Fan Jin Dai Jia Xia Zou
Xiong Duan Ouyang Situ Zhuge
"""
# Words with capitals that stand where names stand, and are none.
_NO_NAMES = """
Customer Customers Client Clients Team Teams Support Sir Sirs Madam Service Services Hiring Manager Managers All
Everyone Everybody There Friend Friends Colleague Colleagues Members Member User Users Admin Administrator
Department Office Company Inc Ltd LLC Corp Group Bank University College School Hospital Center Centre Project
Product Plan Test Tests Testing Build Deploy Release Server Image Docker Api App Application Data Database System
Network Error Name Names Unknown None Null True False Yes No Not Street Road Avenue Monday Tuesday Wednesday
Thursday Friday Saturday Sunday January February March April June July August September October November December
Today Tomorrow Yesterday The This That These Those And But Or If When Where What Who Why How Please Thanks Thank
Hello Hi Hey Dear Regards Best Kind Sincerely Cheers Order Number Account Email Phone Address Date Time Contact Us
Me You We They He She It Your Our My His Her Their Its Is Are Was Were Has Have Had Will Would Can Could Should May
Might Must Do Does Did New Old First Last Sales Marketing Finance Legal Human Resources Help Desk Info Information
Technology Software Engineer Developer Director President Online Store Shop Hotel Restaurant City State County
Country North South East West United States Kingdom America China English Chinese French German Spanish Japanese
Apple Google Microsoft Amazon Premium Basic Standard Pro Plus Free Main Default Example Sample Demo Recruiter
Applicant Candidate Patient Doctor Nurse Teacher Student Students Parent Parents Professor Guest Guests Sender
Recipient Valued Reader Readers Subscriber Partner Partners Board Committee Council Chair Chairman Secretary Head
Chief Executive Officer On At In For From To With By As Of A An Also Then Again Here Currently Still Just Sorry
Happy Sure Glad Afraid Good Great Fine Ok Okay Pepper Robot Universe America World Muffet Piggy Marvel Strange
Subject Re Cc Bcc Sent Attn Ref Payment Invoice Delivery General Public Private Security Privacy Policy Terms
Conditions Version Chapter Section Table Figure Page Step Part
"""
GIVEN_NAMES = frozenset(_GIVEN_NAMES.split())
PINYIN_SURNAMES = frozenset(_PINYIN_SURNAMES.split())
NO_NAMES = frozenset(_NO_NAMES.split())
